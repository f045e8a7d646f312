"""The grpcurl examples of the README and docs/search.md get an answer."""

import re
from pathlib import Path

import pytest
from google.protobuf import json_format

from hashfinder.kernel import load_kernel
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchEstimate
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

ROOT = Path(__file__).parents[3]
CALL = re.compile(
    r"grpcurl -plaintext -d '([^']*)'\s+127\.0\.0\.1:50051 hash_name\.HashFinder/(\w+)"
)
EXAMPLES = [
    pytest.param(*call, id=f"{page.name}-{number}")
    for page in (ROOT / "README.md", ROOT / "docs" / "search.md")
    for number, call in enumerate(CALL.findall(page.read_text(encoding="utf-8")))
]


def test_all_examples_are_seen() -> None:
    """Three with classic fields or progress, and the three newer ones on both pages."""
    assert len(EXAMPLES) >= 8


@pytest.mark.skipif(load_kernel().backend == "python", reason="too slow without the kernel in C")
@pytest.mark.parametrize(("sent", "method"), EXAMPLES)
def test_an_example_is_answered(stub: HashFinderStub, sent: str, method: str) -> None:
    """Each gets a result or an estimate."""
    request = json_format.Parse(sent, HashNameRequest())
    if method == "Estimate":
        estimate: SearchEstimate = stub.Estimate(request, timeout=30)
        assert 0 < estimate.chance <= estimate.chance_upper_bound <= 1
        return
    answers: list[HashNameResponse] = (
        [stub.Find(request, timeout=50)]
        if method == "Find"
        else list(stub.FindRange(request, timeout=50))
    )
    assert answers[-1].hamming_distance <= request.ideal_hamming_distance
    assert answers[-1].secret
