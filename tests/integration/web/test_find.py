"""`GET /find/NAME`: a search as lines of JSON."""

import pytest

from hashfinder_rules.candidate import Candidate
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests.integration.gateway_process import GatewayProcess, RunGateway


def test_lines_are_an_estimate_results_and_an_end(
    gateway: GatewayProcess,
) -> None:
    """Each line is an object with one key; 64-bit numbers are strings; a distance of 0 is there."""
    status, lines = gateway.lines("dad?show-inferior=1")

    assert 200 == status
    assert "estimate" in lines[0]
    results = [line["result"] for line in lines if "result" in line]
    end = lines[-1]["end"]
    assert results[-1]["hammingDistance"] == 0
    assert {1} == {result["hammingDistance"] for result in results[:-1]}
    position = int(results[-1]["position"])
    assert Candidate.at(position, Query("dad")).secret_text == results[-1]["secret"]
    assert ("ok", "found") == (end["code"], end["message"])
    assert f"/find/dad?show-inferior=1&start-position={position + 1}" == end["resume"]
    assert end["kernel"].startswith("native")


def test_every_parameter_reaches_the_search(gateway: GatewayProcess) -> None:
    """Percent-encoded bytes reach the secret's prefix unchanged."""
    query = Query(
        "aB*",
        1,
        2,
        Scheme(Algorithm.SHA256, Encoding.BASE64URL, Anchor.START, True, "*"),  # noqa: FBT003
        Keyspace(b"\x00\xff&+", 7),
        b"\xc3(\x00",
        b" z",
    )

    status, lines = gateway.lines(
        "aB%2A?ideal-distance=1&show-inferior=2&algorithm=sha256&encoding=base64url&anchor=start"
        "&case-sensitive=true&wildcard=*&alphabet=%00%FF%26%2B&secret-length=7"
        "&secret-prefix=%C3(%00&secret-suffix=+z&start-position=3&maximum-hashes=4000"
        "&progress-interval=0.5s&timeout=10"
    )

    assert 200 == status, lines
    *results, last = [line["result"] for line in lines if "result" in line]
    assert 1 == last["hammingDistance"]
    for result in [*results, last]:
        truth = Candidate.at(int(result["position"]), query)
        assert int(result["position"]) >= 3
        assert (truth.secret_text, truth.hashed_name) == (result["secret"], result["hashedName"])
        assert truth.distance == result["hammingDistance"]


def test_fields_of_the_contract_are_parameters_too(gateway: GatewayProcess) -> None:
    """The server's error messages use these names, so they work as parameters."""
    _, lines = gateway.lines("robots?maximum_hashes=1000&interesting_hamming_distance=0")

    assert "HASH_BUDGET_EXHAUSTED" == lines[-1]["end"]["reason"]


def test_a_spent_budget_says_where_to_resume(gateway: GatewayProcess) -> None:
    """`resume` is a path that continues the search with the same budget."""
    _, lines = gateway.lines("robots?maximum-hashes=1000")
    end = lines[-1]["end"]

    assert ("resource_exhausted", "1000") == (end["code"], end["nextPosition"])
    assert "/find/robots?maximum-hashes=1000&start-position=1000" == end["resume"]
    details = {each["type"]: each for each in end["details"]}
    assert "1000" == details["hash_name.SearchProgress"]["hashesComputed"]
    _, lines = gateway.lines(end["resume"].removeprefix("/find/"))
    assert "2000" == lines[-1]["end"]["nextPosition"]


def test_a_deadline_ends_with_how_far_the_reports_came(gateway: GatewayProcess) -> None:
    """The deadline's status is gRPC's own and has no position, so the last report's is used."""
    _, lines = gateway.lines("hopelessly?timeout=0.6&progress-interval=0.1")
    end = lines[-1]["end"]

    assert "deadline_exceeded" == end["code"]
    reports = [line["progress"] for line in lines if "progress" in line]
    assert reports[-1]["nextPosition"] == end["nextPosition"]
    assert end["resume"].endswith(f"&start-position={end['nextPosition']}")


@pytest.mark.parametrize(
    ("path", "field", "reason"),
    [
        ("dad?ideal-distance=x", "ideal-distance", "0 to 2147483647, not 'x'"),
        ("dad?ideal-distance=-1", "ideal-distance", "0 to 2147483647"),
        ("dad?start-position=18446744073709551616", "start-position", "0 to 18446744073709551615"),
        ("dad?algorithm=md5", "algorithm", "sha1 or sha256 or sha512, not 'md5'"),
        ("dad?encoding=", "encoding", "base64 or base64url or hex or base32 or binary"),
        ("dad?anchor=top", "anchor", "anywhere or start or end"),
        ("dad?case-sensitive=1", "case-sensitive", "true or false"),
        ("dad?progress-interval=0", "progress-interval", "from 0.05 to 3600"),
        ("dad?timeout=0", "timeout", "from 0.001 to 3600"),
        ("dad?timeout=3601", "timeout", "from 0.001 to 3600"),
        ("dad?timeout=1&timeout=2", "timeout", "must be given once"),
        ("dad?ideal-distance=1&ideal_hamming_distance=1", "ideal-distance", "given once"),
        ("dad?colour=red", "colour", "is no parameter; there are ideal-distance, "),
        ("dad?wildcard=%FF", "wildcard", "must be UTF-8"),
        ("%FF", "name", "must be UTF-8"),
        ("100%", "name", "two hexadecimal digits after each %"),
        ("dad?alphabet=0%1g", "query", "two hexadecimal digits after each %"),
        ("dad?timeout", "timeout", "from 0.001 to 3600"),
        ("dad?=1", "query", "a parameter without a name"),
        ("dad?" + "&".join(["a=1"] * 40), "query", "at most 32 parameters"),
        ("", "desired_name", "must have 1 to 28 characters"),
        ("dad?ideal-distance=4", "ideal_hamming_distance", "0 to 3"),
        ("dad?maximum-hashes=0", "maximum_hashes", "1 to 2^64 - 1"),
        ("d%C3%A4d", "desired_name", "d"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_it_may_be(
    gateway: GatewayProcess, path: str, field: str, reason: str
) -> None:
    """The gateway and the server report it alike: status 400, one line, every violation."""
    status, lines = gateway.lines(path)

    assert 400 == status
    (line,) = lines
    details = {each["type"]: each for each in line["end"]["details"]}
    violations = details["google.rpc.BadRequest"]["fieldViolations"]
    assert field in [each["field"] for each in violations]
    assert reason in "; ".join(each["description"] for each in violations)
    assert "INVALID_REQUEST" == line["end"]["reason"]


def test_a_missing_server_is_unavailable_without_its_address(run_gateway: RunGateway) -> None:
    """Texts of gRPC do not reach clients."""
    with run_gateway("127.0.0.1:1") as gateway:
        status, lines = gateway.lines("dad")

        assert 503 == status
        assert "the server cannot be reached" == lines[-1]["end"]["message"]
        assert 503 == gateway.request("GET", "/readyz")[0].status
        assert 200 == gateway.request("GET", "/healthz")[0].status
