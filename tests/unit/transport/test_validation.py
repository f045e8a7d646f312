"""Every rule for a request, and all violations at once."""

from collections.abc import Callable

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.domain.errors import InvalidRequestError
from hashfinder.transport.validation import parse_request, progress_interval
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_rules.reachable import smallest_distance
from hashfinder_rules.scheme import Scheme

BUDGET = 10**10


def request(name: str = "doctor", ideal: int = 0, interesting: int = 0) -> HashNameRequest:
    """Return a request with the three classic fields."""
    return HashNameRequest(
        desired_name=name,
        ideal_hamming_distance=ideal,
        interesting_hamming_distance=interesting,
    )


def with_interval(seconds: int, nanos: int = 0) -> HashNameRequest:
    """Return a request for progress at this interval."""
    message = request()
    message.progress_interval.CopyFrom(Duration(seconds=seconds, nanos=nanos))
    return message


def violations(message: HashNameRequest) -> dict[str, str]:
    """Return the violations in a request, by field."""
    try:
        parse_request(message, BUDGET)
    except InvalidRequestError as error:
        return {violation.field: violation.description for violation in error.violations}
    return {}


def test_classic_request_asks_for_the_whole_keyspace_within_the_servers_budget() -> None:
    """Only fields 1 to 3 are set."""
    wanted = parse_request(request("doctor", 1, 2), BUDGET)
    assert ("doctor", 1, 2) == (
        wanted.query.name,
        wanted.query.ideal_distance,
        wanted.query.interesting_distance,
    )
    assert (0, BUDGET) == (wanted.start, wanted.maximum_hashes)
    assert progress_interval(request()) is None


@pytest.mark.parametrize(
    ("asked", "granted"), [(1, 1), (BUDGET - 1, BUDGET - 1), (BUDGET, BUDGET), (2**64 - 1, BUDGET)]
)
def test_budget_is_cut_to_the_servers_own(asked: int, granted: int) -> None:
    """A larger budget is not an error."""
    message = request()
    message.maximum_hashes = asked
    assert granted == parse_request(message, BUDGET).maximum_hashes


@pytest.mark.parametrize("start", [0, 1, 2**63, 2**64 - 1])
def test_every_position_can_be_started_from(start: int) -> None:
    """The field's range is the keyspace."""
    message = request()
    message.start_position = start
    assert start == parse_request(message, BUDGET).start


def test_budget_of_zero_is_refused_though_an_absent_one_is_not() -> None:
    """A zero that was sent differs from an absent field."""
    message = request()
    message.maximum_hashes = 0
    assert {"maximum_hashes": "must be 1 to 2^64 - 1, or absent, not 0"} == violations(message)


@pytest.mark.parametrize("length", [1, 2, 27, 28])
def test_names_of_1_to_28_characters_are_valid(length: int) -> None:
    """With a distance at which they are reachable."""
    assert {} == violations(request("a" * length, 1, length))


@pytest.mark.parametrize("length", [0, 29, 1000])
def test_names_of_other_lengths_are_refused(length: int) -> None:
    """The text has the range and the length, but not the name."""
    expected = {"desired_name": f"must have 1 to 28 characters, not {length}"}
    assert expected == violations(request("a" * length))


def test_length_is_counted_in_characters() -> None:
    """Not in bytes: 28 characters of four bytes are refused only because no hash has them."""
    name = "\U0001f600" * 28
    assert "no hash comes closer" in violations(request(name, 27))["desired_name"]
    assert {} == violations(request(name, 28))


@pytest.mark.parametrize("field", ["ideal_hamming_distance", "interesting_hamming_distance"])
@pytest.mark.parametrize(
    ("distance", "fine"),
    [(-(2**31), False), (-1, False), (0, True), (6, True), (7, False), (2**31 - 1, False)],
)
def test_distances_reach_from_zero_to_the_length_of_the_name(
    field: str,
    distance: int,
    fine: bool,  # noqa: FBT001  # a case of the test
) -> None:
    """The text has the range and the value."""
    message = request("doctor")
    setattr(message, field, distance)
    text = f"must be 0 to 6, the length of the desired name, not {distance}"
    assert ({} if fine else {field: text}) == violations(message)


@pytest.mark.parametrize(("distance", "fine"), [(0, True), (28, True), (29, False), (-1, False)])
def test_without_a_valid_name_distances_reach_to_28(
    distance: int,
    fine: bool,  # noqa: FBT001  # a case of the test
) -> None:
    """The violations of the other fields are reported as well."""
    found = violations(request("", 0, distance))
    text = f"must be 0 to 28, not {distance}"
    assert (None if fine else text) == found.get("interesting_hamming_distance")
    assert "desired_name" in found


@given(
    st.text(st.sampled_from("abBqQ+/=-.\u212a\u00e9"), min_size=1, max_size=28),
    st.integers(0, 28),
)
def test_name_is_refused_exactly_where_no_hash_comes_within_the_ideal_distance(
    name: str, ideal: int
) -> None:
    """The text has the smallest distance that is reachable."""
    ideal = min(ideal, len(name))
    smallest = smallest_distance(name, Scheme())
    found = violations(request(name, ideal))
    assert (smallest > ideal) == ("desired_name" in found)
    if found:
        assert {"desired_name"} == found.keys()
        assert f"a distance of {smallest}, " in found["desired_name"]
        assert f"ideal_hamming_distance is {ideal}:" in found["desired_name"]


def test_unreachable_name_with_an_impossible_distance_is_one_violation() -> None:
    """The distance must be corrected first, so that the smallest one cannot be computed."""
    assert {"ideal_hamming_distance"} == violations(request("d\u00e9j\u00e0", -1)).keys()


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [(0, 50_000_000), (0, 999_999_999), (1, 0), (3599, 999_999_999), (3600, 0)],
)
def test_progress_intervals_from_50_ms_to_an_hour_are_valid(seconds: int, nanos: int) -> None:
    """The limits are inclusive."""
    message = with_interval(seconds, nanos)
    assert {} == violations(message)
    assert pytest.approx(seconds + nanos / 1e9) == progress_interval(message)


@pytest.mark.parametrize(
    ("seconds", "nanos", "told"),
    [
        (0, 0, "not 0 s"),
        (0, 49_999_999, "not 0.049999999 s"),
        (3600, 1, "not 3600.000000001 s"),
        (-1, 0, "not -1 s"),
        (2**62, 0, "e+18 s"),
    ],
)
def test_other_progress_intervals_are_refused(seconds: int, nanos: int, told: str) -> None:
    """A present but empty field is an interval of zero."""
    found = violations(with_interval(seconds, nanos))
    assert {"progress_interval"} == found.keys()
    assert "must be 0.05 s to 3600 s" in found["progress_interval"]
    assert told in found["progress_interval"]


@pytest.mark.parametrize(("seconds", "nanos"), [(1, -1), (0, 10**9), (1, 2**31 - 1), (-1, -1)])
def test_invalid_durations_are_refused(seconds: int, nanos: int) -> None:
    """Nanoseconds have their own range."""
    found = violations(with_interval(seconds, nanos))
    assert {"progress_interval": f"must have nanos of 0 to 999999999, not {nanos}"} == found


def test_all_violations_come_at_once() -> None:
    """One per field, in the order of the contract."""
    message = request("x" * 29, -1, 29)
    message.maximum_hashes = 0
    message.progress_interval.seconds = 4000
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(message, BUDGET)
    assert [
        "desired_name",
        "ideal_hamming_distance",
        "interesting_hamming_distance",
        "maximum_hashes",
        "progress_interval",
    ] == [violation.field for violation in caught.value.violations]
    assert "desired_name: must have 1 to 28 characters, not 29; ideal" in str(caught.value)


@given(
    st.text(max_size=40),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1)),
)
def test_any_request_is_validated_without_being_echoed(
    name: str, ideal: int, interesting: int, budget: int | None, interval: tuple[int, int] | None
) -> None:
    """It is accepted, or refused with short sentences, because the status must stay small."""
    message = request(name, ideal, interesting)
    if budget is not None:
        message.maximum_hashes = budget
    if interval is not None:
        message.progress_interval.CopyFrom(Duration(seconds=interval[0], nanos=interval[1]))
    assert all(len(text) < 250 for text in violations(message).values())


@pytest.mark.parametrize("parse", [HashNameRequest.FromString])
def test_classic_requests_are_accepted(
    parse: Callable[[bytes], HashNameRequest],
) -> None:
    """These are the bytes of the public example's client."""
    wanted = parse_request(parse(b"\x0a\x06doctor\x10\x01\x18\x02"), BUDGET)
    assert ("doctor", 1, 2) == (
        wanted.query.name,
        wanted.query.ideal_distance,
        wanted.query.interesting_distance,
    )
