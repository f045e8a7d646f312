"""Hashcash stamps: format, value, and the search for a counter."""

import hashlib
from datetime import UTC, datetime

import pytest

from hashfinder_cli.jobs.hashcash import (
    InvalidStampError,
    Stamp,
    blank,
    continued,
    counter_query,
    parse_date,
)
from hashfinder_rules.candidate import Candidate
from hashfinder_rules.chance import Chance

PUBLISHED = "1:20:060408:adam@cypherspace.org::1QTjaYd7niiQA/sc:ePa"
"""From the documentation of the reference implementation."""


def test_published_stamp_is_valid() -> None:
    """It has at least the bits that it claims."""
    stamp = Stamp.parse(PUBLISHED)
    assert ("adam@cypherspace.org", 20, str(stamp)) == (stamp.resource, stamp.bits, PUBLISHED)
    assert stamp.value >= 20


def test_counter_completes_the_stamp() -> None:
    """The searched message is the stamp's text, and its hash begins with the zero bits."""
    stamp = blank("a@example.org", 8, "261126")
    query = counter_query(stamp)
    found = next(
        candidate
        for candidate in (Candidate.at(position, query) for position in range(100_000))
        if candidate.distance == 0
    )
    text = query.message(found.secret).decode()
    assert Stamp.parse(text).value >= 8
    assert hashlib.sha1(text.encode()).digest()[0] == 0  # noqa: S324
    assert text.startswith(str(stamp))
    assert Chance.of(query).lower == 2.0**-8


def test_random_parts_differ() -> None:
    """Two stamps for the same resource and day differ, so that neither counts as already spent."""
    assert blank("r", 20).random != blank("r", 20).random


def test_earlier_stamp_is_continued() -> None:
    """An earlier date is kept only if no date was asked for."""
    earlier = blank("r", 20, "260101")
    assert earlier == continued(blank("r", 20), earlier, any_date=True)
    for new in (blank("r", 20, "260102"), blank("r", 21, "260101"), blank("s", 20, "260101")):
        assert new == continued(new, earlier, any_date=False)


def test_date_is_today_in_utc() -> None:
    """Receivers in all time zones agree about it."""
    before = datetime.now(UTC).strftime("%y%m%d")
    date = blank("r", 20).date
    assert date in {before, datetime.now(UTC).strftime("%y%m%d")}


def test_resource_may_contain_colons() -> None:
    """An IPv6 address is a resource; the other parts are counted from both ends."""
    stamp = blank("2001:db8::1", 20, "261126", "ext")
    assert Stamp.parse(f"{stamp}abc").resource == "2001:db8::1"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "the form"),
        ("0:20:261126:r::x:y", "the form"),
        ("1:20:261126:r:x:y", "the form"),
        ("1:161:261126:r::x:y", "0 to 160"),
        ("1:-1:261126:r::x:y", "0 to 160"),
        ("1:²:261126:r::x:y", "0 to 160"),
        ("1:20:261326:r::x:y", "YYMMDD"),
        ("1:20:2611261:r::x:y", "YYMMDD"),
        ("1:20::r::x:y", "YYMMDD"),
    ],
)
def test_invalid_stamp_is_refused_with_its_part(text: str, part: str) -> None:
    """The message says what is allowed."""
    with pytest.raises(InvalidStampError, match=part):
        Stamp.parse(text)


@pytest.mark.parametrize(
    ("resource", "extension"), [("", ""), ("a b", ""), ("a\n", ""), ("a", "b:c"), ("a", "b c")]
)
def test_invalid_part_is_refused(resource: str, extension: str) -> None:
    """A stamp with it could not be parsed."""
    with pytest.raises(InvalidStampError, match=r"resource|extension"):
        blank(resource, 20, "261126", extension)


def test_all_three_forms_of_a_date() -> None:
    """To the day, the minute and the second."""
    dates = ["261126", "2611261130", "261126113059"]
    expected = [(2026, 11, 26, 0, 0, 0), (2026, 11, 26, 11, 30, 0), (2026, 11, 26, 11, 30, 59)]
    assert expected == [parse_date(date).timetuple()[:6] for date in dates]
