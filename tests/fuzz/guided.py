"""`make fuzz`, second part: properties of `test_fuzz`, with inputs that coverage leads to.

`python -m tests.fuzz.guided TARGET SECONDS`. The inputs that reached something new are kept in
`.cache/fuzz`; one that fails is written to `tests/fuzz/corpus`, and repeated by giving its path in
place of the seconds.

Exit codes: 0; another one where an input fails.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-untyped]  # only `make fuzz` installs it
import grpc
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

with atheris.instrument_imports(
    include=["hashfinder", "hashfinder_client", "hashfinder_rules", "tomllib"],
    enable_loader_override=False,
):
    from hashfinder_client.status import RpcStatus
    from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
    from tests.fuzz import test_fuzz

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / ".cache/fuzz"
FAILURES = ROOT / "tests/fuzz/corpus"
_CODES = list(grpc.StatusCode)


def request(data: bytes) -> None:
    """Take the bytes of a request."""
    _property(test_fuzz.test_request_is_valid_or_refused_with_its_violations)(data)


def files(data: bytes) -> None:
    """Take a file of the operator's."""
    test = test_fuzz.test_files_of_the_operator_are_taken_or_refused
    _property(test)(data.decode("utf-8", "replace"))


def answers(data: bytes) -> None:
    """Take what a server sends: some messages, then a status with its details."""
    given = atheris.FuzzedDataProvider(data)
    sizes = [given.ConsumeIntInRange(0, 60) for _ in range(given.ConsumeIntInRange(0, 3))]
    messages = [given.ConsumeBytes(size) for size in sizes]
    code = given.PickValueInList(_CODES)
    try:
        rich = Status.FromString(given.ConsumeBytes(len(data)))
    except DecodeError:
        rich = None
    test = test_fuzz.test_client_takes_only_what_is_true
    _property(test)(messages, RpcStatus(code, "text", rich))


def _property(test: Callable[..., None]) -> Callable[..., None]:
    """Return what a test of hypothesis holds each of its examples against."""
    inner: Any = test.hypothesis.inner_test  # type: ignore[attr-defined]  # set by its decorator
    return inner  # type: ignore[no-any-return]


_POLICY = (
    (ROOT / "docs/security.md").read_text(encoding="utf-8").split("```toml")[1].split("```")[0]
)
_FOUND = HashNameResponse(
    secret="pO0G", hashed_name="Sp0dOCTORuYUE/jHhX6sk5+8rvA=", position=10_874_375
)
TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "request": (
        request,
        [
            HashNameRequest(desired_name="doctor", wildcard="?").SerializeToString(),
            HashNameRequest(desired_name="c0ffee", wildcard="f").SerializeToString(),
        ],
    ),
    "files": (files, [_POLICY.encode(), b"alice " + b"0" * 64 + b"\n"]),
    "answers": (answers, [_FOUND.SerializeToString()]),
}
"""What takes an input, and the inputs to begin with."""


def main() -> None:
    """Fuzz one target, or repeat one input."""
    name, how = sys.argv[1:]
    take, seeds = TARGETS[name]
    arguments = [how]
    if how.isdigit():
        corpus = CORPUS / name
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        FAILURES.mkdir(exist_ok=True)
        prefix = f"-artifact_prefix={FAILURES / name}-"
        limits = (f"-max_total_time={how}", "-max_len=2048", "-timeout=10", "-rss_limit_mb=1024")
        arguments = [str(corpus), prefix, *limits, "-verbosity=0", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *arguments], take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
