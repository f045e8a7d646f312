"""The package `hashfinder_proto`: its wire format, its neighbours, its types and its wheel."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from hashfinder_proto import hash_name_pb2
from hashfinder_proto.hash_name_pb2 import (
    Candidate,
    HashNameRequest,
    HashNameResponse,
    SearchProgress,
)

ROOT = Path(__file__).parents[2]

FieldProto = descriptor_pb2.FieldDescriptorProto
CLASSIC_FIELDS = {
    "HashNameRequest": {
        "desired_name": FieldProto.TYPE_STRING,
        "ideal_hamming_distance": FieldProto.TYPE_INT32,
        "interesting_hamming_distance": FieldProto.TYPE_INT32,
    },
    "HashNameResponse": {
        "secret": FieldProto.TYPE_STRING,
        "hashed_name": FieldProto.TYPE_STRING,
        "hamming_distance": FieldProto.TYPE_INT32,
    },
}


def classic_pool() -> descriptor_pool.DescriptorPool:
    """Return a pool with the contract of the public example, written out here once more."""
    file = descriptor_pb2.FileDescriptorProto(
        name="hash_name.proto", package="hash_name", syntax="proto3"
    )
    for message_name, fields in CLASSIC_FIELDS.items():
        message = file.message_type.add(name=message_name)
        for number, (name, kind) in enumerate(fields.items(), start=1):
            message.field.add(name=name, number=number, type=kind, label=FieldProto.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


POOL = classic_pool()
ClassicRequest = message_factory.GetMessageClass(
    POOL.FindMessageTypeByName("hash_name.HashNameRequest")
)
ClassicResponse = message_factory.GetMessageClass(
    POOL.FindMessageTypeByName("hash_name.HashNameResponse")
)

# A string field carries any text but lone surrogates, which UTF-8 cannot express.
texts = st.text(st.characters(exclude_categories=["Cs"]))
int32s = st.integers(-(2**31), 2**31 - 1)


@given(name=texts, ideal=int32s, interesting=int32s)
def test_request_of_a_classic_client_is_understood(name: str, ideal: int, interesting: int) -> None:
    """What a client of fields 1 to 3 sends arrives unchanged, with no extra set."""
    classic = ClassicRequest(
        desired_name=name, ideal_hamming_distance=ideal, interesting_hamming_distance=interesting
    )

    assert HashNameRequest(
        desired_name=name,
        ideal_hamming_distance=ideal,
        interesting_hamming_distance=interesting,
    ) == HashNameRequest.FromString(classic.SerializeToString())


@given(secret=texts, hashed_name=texts, distance=int32s)
def test_classic_client_understands_a_response_with_extras(
    secret: str, hashed_name: str, distance: int
) -> None:
    """A client of fields 1 to 3 reads them from a response that carries everything."""
    response = HashNameResponse(
        secret=secret,
        hashed_name=hashed_name,
        hamming_distance=distance,
        position=2**64 - 1,
        progress=SearchProgress(hashes_computed=1, best_candidate=Candidate(secret=secret)),
    )

    classic = ClassicResponse.FromString(response.SerializeToString())

    expected = {"secret": secret, "hashed_name": hashed_name, "hamming_distance": distance}
    assert expected == {name: getattr(classic, name) for name in expected}


def test_without_extras_the_bytes_are_those_of_the_classic_contract() -> None:
    """A message of fields 1 to 3 is the same bytes in both contracts, in both directions."""
    request = {
        "desired_name": "doctor",
        "ideal_hamming_distance": 1,
        "interesting_hamming_distance": 3,
    }
    response = {"secret": "AAE=", "hashed_name": "doctor", "hamming_distance": 2}

    assert (
        ClassicRequest(**request).SerializeToString()
        == HashNameRequest(**request).SerializeToString()  # type: ignore[arg-type]
    )
    assert (
        ClassicResponse(**response).SerializeToString()
        == HashNameResponse(**response).SerializeToString()  # type: ignore[arg-type]
    )


def test_service_keeps_the_classic_method_names_and_kinds() -> None:
    """Find and FindRange have the names of the public example; only FindRange streams."""
    service = hash_name_pb2.DESCRIPTOR.services_by_name["HashFinder"]

    assert [
        ("hash_name.HashFinder.Find", False, False),
        ("hash_name.HashFinder.FindRange", False, True),
        ("hash_name.HashFinder.Estimate", False, False),
    ] == [
        (method.full_name, method.client_streaming, method.server_streaming)
        for method in service.methods
    ]


SOURCES = ROOT / "proto" / "src"
FOREIGN_FIRST = "import hash_name_pb2, hash_name_pb2_grpc"
OURS_FIRST = "import hashfinder_proto.hash_name_pb2, hashfinder_proto.hash_name_pb2_grpc"
USE_BOTH = """
import hash_name_pb2_grpc as foreign
import hashfinder_proto.hash_name_pb2_grpc as ours
assert foreign.hash__name__pb2 is not ours.hash__name__pb2
for stubs in (foreign, ours):
    assert "hash_name.proto" == stubs.hash__name__pb2.DESCRIPTOR.name
    request = stubs.hash__name__pb2.HashNameRequest(desired_name="doctor", start_position=0)
    assert request == type(request).FromString(request.SerializeToString())
"""


@pytest.mark.parametrize("first", [FOREIGN_FIRST, OURS_FIRST], ids=["foreign first", "ours first"])
def test_package_lives_beside_foreign_stubs_of_the_same_proto(tmp_path: Path, first: str) -> None:
    """A process may also hold top-level stubs that plain protoc made of the same file."""
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", "--proto_path=proto"),
            *(f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}", "hash_name.proto"),
        ],
        cwd=ROOT,
        check=True,
    )
    program = f"import sys; sys.path.insert(0, sys.argv[1])\n{first}\n{USE_BOTH}"

    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (process.returncode, process.stderr)


FORGETFUL_SERVICER = """\
from grpc import StatusCode
from grpc.aio import ServicerContext

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderServicer


class Servicer(HashFinderServicer):
    async def Find(
        self,
        request: HashNameRequest,
        context: ServicerContext[HashNameRequest, HashNameResponse],
    ) -> HashNameResponse:
        if request.desired_name:
            await context.abort(StatusCode.INTERNAL, "awaited")
        context.abort(StatusCode.INTERNAL, "forgotten")
        return HashNameResponse(secret=request.no_such_field)
"""


def test_types_catch_an_abort_that_is_not_awaited(tmp_path: Path) -> None:
    """A forgotten `await`, which would end the RPC with OK, and an unknown field are errors."""
    program = tmp_path / "servicer.py"
    program.write_text(FORGETFUL_SERVICER, encoding="utf-8")

    process = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert [("16", "unused-coroutine"), ("17", "attr-defined")] == re.findall(
        r"servicer\.py:(\d+): error: .*\[([a-z-]+)\]$", process.stdout, re.MULTILINE
    ), process.stdout + process.stderr


def test_wheel_carries_the_modules_and_their_types(tmp_path: Path) -> None:
    """The built distribution is typed: each generated module has its stub beside it."""
    source = tmp_path / "proto"
    shutil.copytree(
        ROOT / "proto", source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    )

    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--wheel-dir", tmp_path, source),
        ],
        check=True,
    )

    (wheel,) = tmp_path.glob("*.whl")
    assert {
        "hashfinder_proto/__init__.py",
        "hashfinder_proto/hash_name_admin_pb2.py",
        "hashfinder_proto/hash_name_admin_pb2.pyi",
        "hashfinder_proto/hash_name_admin_pb2_grpc.py",
        "hashfinder_proto/hash_name_admin_pb2_grpc.pyi",
        "hashfinder_proto/hash_name_pb2.py",
        "hashfinder_proto/hash_name_pb2.pyi",
        "hashfinder_proto/hash_name_pb2_grpc.py",
        "hashfinder_proto/hash_name_pb2_grpc.pyi",
        "hashfinder_proto/py.typed",
        *(
            str(path.relative_to(SOURCES))
            for package in ("hashfinder_process", "hashfinder_rules")
            for path in (SOURCES / package).iterdir()
            if path.is_file()
        ),
    } == {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
