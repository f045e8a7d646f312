"""Searches of every kind against an independent brute force."""

import os
import random
import secrets
from base64 import b64decode
from dataclasses import dataclass
from itertools import islice, product

import grpc
import pytest

from hashfinder_proto import hash_name_pb2 as pb
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests import oracle
from tests.integration.server.endings import Ending, ending_of
from tests.integration.server_process import ServerProcess

SEED = int(os.environ.get("TEST_SEED", secrets.randbits(32)))
ALGORITHMS = {"SHA1": 1, "SHA256": 2, "SHA512": 3}
ENCODINGS = {"BASE64": 1, "BASE64URL": 2, "HEX": 3, "BASE32": 4, "BINARY": 5}
ANCHORS = {"ANYWHERE": 1, "START": 2, "END": 3}
KINDS = [
    (algorithm, encoding, anchor)
    for algorithm, encoding, anchor in product(ALGORITHMS, ENCODINGS, ANCHORS)
    if (encoding, anchor) != ("BINARY", "ANYWHERE")
]
BLOCK_BORDERS = (0, 1, 20, 50, 55, 56, 63, 64, 70, 110, 111, 112, 127, 128, 130, 180, 200, 1000)
ALPHABETS = (b"", b"01", b"0123456789", b"zyx\x00\xff", bytes(range(255, -1, -1)))


@dataclass(frozen=True)
class Expected:
    """What FindRange must return."""

    results: list[tuple[int, bytes, str, int]]
    """Position, secret, text and distance."""
    found: bool
    hashes: int
    best: tuple[int, bytes, str, int]


@dataclass(frozen=True)
class Case:
    """One search."""

    kind: tuple[str, str, str]
    request: pb.HashNameRequest

    def answer(self) -> Expected:
        """Search one candidate after another, with `hashlib` and `base64` alone."""
        request = self.request
        algorithm, encoding, anchor = self.kind
        results = []
        scored = []
        found = False
        alphabet = request.secret_alphabet or bytes(range(256))
        length = request.secret_length if request.HasField("secret_length") else None
        start = request.start_position
        some = islice(oracle.secrets(alphabet, length), start, start + request.maximum_hashes)
        for position, secret in enumerate(some, start):
            message = request.secret_prefix + secret + request.secret_suffix
            text = oracle.hash_text(algorithm, encoding, message)
            distance, _ = oracle.best_match(
                request.desired_name,
                text,
                anchor,
                request.wildcard,
                case_sensitive=request.case_sensitive,
            )
            candidate = (position, secret, text, distance)
            scored.append(candidate)
            found = distance <= request.ideal_hamming_distance
            if found or distance <= request.interesting_hamming_distance:
                results.append(candidate)
            if found:
                break
        best = min(scored, key=lambda candidate: (candidate[3], candidate[0]))
        return Expected(results, found, len(scored), best)


def random_case(kind: tuple[str, str, str], numbers: random.Random) -> Case:
    """Return a random search of a kind; its name resembles the text of one of its candidates."""
    algorithm, encoding, anchor = kind
    affixes = [numbers.randbytes(numbers.choice(BLOCK_BORDERS)) for _ in range(2)]
    alphabet = numbers.choice(ALPHABETS)
    length = numbers.choice([None, None, 0, 1, 2, 3, 5, 60, 1024])
    size = len(alphabet) or 256
    end = 2**64 if length is None else min(2**64, size**length)
    start = numbers.randrange(min(end, 2000))
    budget = numbers.randrange(1, 400)

    middle = b"".join(
        islice(oracle.secrets(alphabet or bytes(range(256)), length), start, start + 1)
    )
    text = oracle.hash_text(algorithm, encoding, affixes[0] + middle + affixes[1])
    places = text.rstrip("=") if anchor == "END" else text
    count = numbers.choice([1, 2, 3, 4, len(places)])
    offset = {"START": 0, "END": len(places) - count}.get(
        anchor, numbers.randrange(len(places) - count + 1)
    )
    name = list(places[offset : offset + count])
    wildcard = numbers.choice(["", "?", "·"])
    symbols = "01" if encoding == "BINARY" else "abcdef234567"
    for i in range(len(name)):
        if numbers.random() < 0.3:
            name[i] = wildcard or numbers.choice(symbols)
    if set(name) == {wildcard}:
        name[0] = places[offset]
    request = pb.HashNameRequest(
        desired_name="".join(name),
        interesting_hamming_distance=numbers.randrange(len(name) + 1),
        start_position=start,
        maximum_hashes=budget,
        hash_algorithm=ALGORITHMS[algorithm],  # type: ignore[arg-type]  # a number is fine
        digest_encoding=ENCODINGS[encoding],  # type: ignore[arg-type]  # likewise
        anchor=ANCHORS[anchor],  # type: ignore[arg-type]  # likewise
        case_sensitive=numbers.random() < 0.5,
        wildcard=wildcard,
        secret_prefix=affixes[0],
        secret_suffix=affixes[1],
        secret_alphabet=alphabet,
        secret_length=length,
    )
    return Case(kind, request)


def find_range(stub: HashFinderStub, request: pb.HashNameRequest) -> Ending:
    """Return how a FindRange ends, with all its messages."""
    messages: list[pb.HashNameResponse] = []
    try:
        messages.extend(iter(stub.FindRange(request)))
    except grpc.RpcError as error:
        ending = ending_of(error)
        ending.messages = messages
        return ending
    return Ending(grpc.StatusCode.OK, "", messages)


def values(message: pb.HashNameResponse | pb.Candidate) -> tuple[int, bytes, str, int]:
    """Return the values of a result."""
    secret = b64decode(message.secret, validate=True)
    return message.position, secret, message.hashed_name, message.hamming_distance


def end_of(request: pb.HashNameRequest) -> int:
    """Return one past the last position of a request's keyspace."""
    if not request.HasField("secret_length"):
        return 2**64
    secrets_of_that_length: int = (len(request.secret_alphabet) or 256) ** request.secret_length
    return min(2**64, secrets_of_that_length)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_search_of_any_kind_equals_a_brute_force(
    stub: HashFinderStub, kind: tuple[str, str, str]
) -> None:
    """Same results, order, end and best candidate; Find returns the first result."""
    print(f"TEST_SEED={SEED}")  # noqa: T201  # shown when the test fails
    numbers = random.Random(f"{SEED} {kind}")  # noqa: S311  # no secret
    cases = 0
    while cases < 4:
        case = random_case(kind, numbers)
        try:
            stub.Estimate(case.request)
        except grpc.RpcError as error:  # a name that this kind cannot have
            assert "desired_name" in str(ending_of(error).details["BadRequest"])  # noqa: PT017
            continue
        cases += 1
        expected = case.answer()
        ending = find_range(stub, case.request)

        assert expected.results == [values(message) for message in ending.messages]
        if expected.found:
            assert grpc.StatusCode.OK == ending.code
            assert expected.results[-1] == values(stub.Find(case.request))
            continue
        assert "HASH_BUDGET_EXHAUSTED" == ending.reason
        assert expected.hashes == ending.progress.hashes_computed
        assert expected.best == values(ending.progress.best_candidate)
        reached = case.request.start_position + expected.hashes
        assert (reached < end_of(case.request)) == ending.progress.HasField("next_position")
        if reached < end_of(case.request):
            assert reached == ending.progress.next_position


def test_a_search_resumes_from_every_position(stub: HashFinderStub) -> None:
    """Consecutive ranges return the same as the whole, up to the end of a finite keyspace."""
    request = pb.HashNameRequest(
        desired_name="0" * 40,
        interesting_hamming_distance=17,
        digest_encoding=pb.DIGEST_ENCODING_BINARY,
        anchor=pb.ANCHOR_END,
        hash_algorithm=pb.HASH_ALGORITHM_SHA_256,
        secret_prefix=b"challenge:",
        secret_alphabet=b"0123456789",
        secret_length=3,
        ideal_hamming_distance=0,
    )
    whole = find_range(stub, request)
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == whole.code
    assert "up to the end of the keyspace" in whole.text
    assert 1000 == whole.progress.hashes_computed
    assert not whole.progress.HasField("next_position")

    parts = []
    position: int | None = 0
    while position is not None:
        request.start_position = position
        request.maximum_hashes = 37
        part = find_range(stub, request)
        parts += part.messages
        progress = part.progress
        position = progress.next_position if progress.HasField("next_position") else None
    assert whole.messages == parts
    assert len(parts) > 100


def test_the_largest_affixes_are_searched(stub: HashFinderStub) -> None:
    """A prefix of 48 KiB, or a suffix of 48 KiB, is searched."""
    for affix in ("secret_prefix", "secret_suffix"):
        request = pb.HashNameRequest(
            desired_name="a",
            maximum_hashes=200,
            digest_encoding=pb.DIGEST_ENCODING_HEX,
            anchor=pb.ANCHOR_START,
            interesting_hamming_distance=0,
        )
        setattr(request, affix, bytes(48 * 1024))
        expected = Case(("SHA1", "HEX", "START"), request).answer()
        assert expected.found
        assert expected.results[-1] == values(stub.Find(request))


def test_absent_fields_are_the_classic_search(stub: HashFinderStub) -> None:
    """With the defaults written out, the answer is the same, byte for byte."""
    classic = pb.HashNameRequest(desired_name="doc", interesting_hamming_distance=1)
    spelled = pb.HashNameRequest(
        desired_name="doc",
        interesting_hamming_distance=1,
        hash_algorithm=pb.HASH_ALGORITHM_SHA_1,
        digest_encoding=pb.DIGEST_ENCODING_BASE64,
        anchor=pb.ANCHOR_ANYWHERE,
        secret_alphabet=bytes(range(256)),
    )
    one, other = (list(stub.FindRange(request)) for request in (classic, spelled))
    assert [m.SerializeToString() for m in one] == [m.SerializeToString() for m in other]


def test_an_estimate_is_exact_bounded_and_has_a_rate(server: ServerProcess) -> None:
    """As many candidates are ideal as the estimate says; the rate is that of a search."""
    with server.stub() as stub:
        request = pb.HashNameRequest(
            desired_name="ab",
            digest_encoding=pb.DIGEST_ENCODING_HEX,
            anchor=pb.ANCHOR_START,
            secret_alphabet=b"0123456789",
            secret_length=4,
            interesting_hamming_distance=0,
        )
        estimate = stub.Estimate(request)
        assert 1 / 256 == estimate.chance == estimate.chance_upper_bound
        assert estimate.expected_hashes == pytest.approx(256)
        assert 177 == int(estimate.hashes_for_50_percent)
        assert estimate.hashes_for_50_percent < estimate.hashes_for_90_percent
        assert estimate.hashes_for_90_percent < estimate.hashes_for_99_percent < 10_000
        assert estimate.hashes_per_second > 0
        hits = sum(
            oracle.hash_text("SHA1", "HEX", secret).startswith("ab")
            for secret in oracle.secrets(b"0123456789", 4)
        )
        assert hits == pytest.approx(10_000 / 256, abs=25)

        fuzzy = stub.Estimate(pb.HashNameRequest(desired_name="doctor", ideal_hamming_distance=2))
        assert fuzzy.chance < fuzzy.chance_upper_bound < 1.1 * fuzzy.chance
        late = stub.Estimate(pb.HashNameRequest(desired_name="doctor", start_position=2**64 - 1000))
        assert 1000 == late.hashes_for_50_percent


def test_an_estimate_takes_the_share_of_a_new_search(server: ServerProcess) -> None:
    """A client's second search gets half the rate of a single one."""
    request = pb.HashNameRequest(desired_name="hopelessly")
    with server.stub() as stub:
        list(stub.FindRange(pb.HashNameRequest(desired_name="docto")))  # measured
        alone = stub.Estimate(request).hashes_per_second
        search = stub.Find.future(request)
        server.wait_for_searches(1)
        shared = stub.Estimate(request).hashes_per_second
        search.cancel()
    assert 0.2 * alone < shared < 0.8 * alone
