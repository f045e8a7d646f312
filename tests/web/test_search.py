"""A search on the page, from the form to its end."""

import base64
import hashlib
import re

import pytest
from playwright.sync_api import Locator, expect

from tests.integration.gateway_process import UNFINDABLE
from tests.integration.server_process import ServerProcess
from tests.web.chromium import Lab, is_searching, part, stops

pytestmark = pytest.mark.web

LAST = 2**64 - 1


def position(card: Locator) -> int:
    """Return the position that a card shows."""
    return int(part(card, "position").inner_text().replace(",", ""))


def test_a_search_shows_what_it_finds(lab: Lab) -> None:
    """The match is marked, and the bytes have the hash shown."""
    card = lab.start("doctor", interestingHammingDistance="1")

    expect(part(card, "state")).to_have_text("Found")
    expect(part(card, "ending")).to_contain_text("Found after 10.9 million hashes")
    expect(part(card, "caption")).to_have_text("31 candidates")
    best = card.locator("tr.ideal")
    expect(best.locator("mark")).to_have_text("dOCTOR")
    distance, where, text, secret = best.locator("td").all_inner_texts()
    assert ("0", "10,874,375") == (distance, where)
    assert text == base64.b64encode(hashlib.sha1(bytes.fromhex(secret)).digest()).decode()  # noqa: S324
    one_off = card.locator("tbody tr").nth(1)
    expect(one_off.locator("mark i")).to_have_count(1)
    expect(card.get_by_role("button", name="Find the next")).to_be_visible()


def test_stop_ends_a_search_and_resume_continues_it(lab: Lab, server: ServerProcess) -> None:
    """It resumes at the position of the stop, which counts as a cancel by the client."""
    card = lab.start(client="B")
    is_searching(card)
    expect(part(card, "share")).to_have_text(re.compile(r"\d+\.\d %"))
    expect(part(card, "rate")).to_have_text(re.compile(r"[1-9].* [kMG]H/s"))

    with stops(server, client_cancel=1):
        card.get_by_role("button", name="Stop").click()
        expect(part(card, "state")).to_have_text("Stopped")
    stopped = position(card)
    expect(part(card, "ending")).to_contain_text(f"resumes at position {stopped:,}")

    with stops(server, client_cancel=1):
        card.get_by_role("button", name="Resume").click()
        is_searching(card)
        expect(part(card, "position")).not_to_have_text(f"{stopped:,}")
        card.get_by_role("button", name="Stop").click()
        expect(part(card, "state")).to_have_text("Stopped")
    assert stopped < position(card)
    card.get_by_role("button", name="Remove").click()
    expect(lab.cards("B")).to_have_count(0)


def test_a_time_limit_is_the_deadline_of_the_search(lab: Lab, server: ServerProcess) -> None:
    """The server counts it as a deadline."""
    with stops(server, deadline=1):
        card = lab.start(seconds="0.6")
        expect(part(card, "state")).to_have_text("Time limit")
    expect(part(card, "ending")).to_contain_text("resumes at position")


def test_a_budget_is_spent_and_resumed_with_as_much_again(lab: Lab, server: ServerProcess) -> None:
    """The server reports its end with the position to resume from."""
    with stops(server, budget=1):
        card = lab.start(maximumHashes="100000")
        expect(part(card, "state")).to_have_text("Budget spent")
    assert 100_000 == position(card)
    card.get_by_role("button", name="Resume").click()
    expect(part(card, "position")).to_have_text("200,000")


@pytest.mark.parametrize(
    "fields",
    [
        {"secretAlphabet": "01", "secretLength": "8"},
        {"startPosition": str(LAST - 999)},  # beyond the exact integers of a double
    ],
)
def test_a_keyspace_that_has_ended_leaves_nothing_to_resume(
    lab: Lab, fields: dict[str, str]
) -> None:
    """All 64 bits of a position count."""
    card = lab.start(**fields)

    expect(part(card, "state")).to_have_text("Nothing left")
    expect(part(card, "position")).to_have_text("the last")
    expect(part(card, "resume")).to_be_hidden()


def test_a_position_of_64_bits_is_exact(lab: Lab) -> None:
    """JavaScript's numbers would round it."""
    start = LAST - 200_000
    card = lab.start(startPosition=str(start), maximumHashes="99999")

    expect(part(card, "position")).to_have_text(f"{start + 99_999:,}")


def test_bytes_may_be_written_with_escapes(lab: Lab) -> None:
    """The hash covers the prefix with its zero byte, and the secret."""
    card = lab.start(
        "beef",
        digestEncoding="DIGEST_ENCODING_HEX",
        anchor="ANCHOR_START",
        secretPrefix=r"blob 7\x00",
        secretAlphabet="0123456789",
    )

    expect(part(card, "state")).to_have_text("Found")
    _, _, text, secret = card.locator("tr.ideal td").all_inner_texts()
    digits = secret.strip("“”")
    assert text == hashlib.sha1(b"blob 7\0" + digits.encode()).hexdigest()  # noqa: S324
    assert text.startswith("beef")


def test_the_estimate_follows_the_form_one_request_at_a_time(lab: Lab) -> None:
    """The last value typed counts."""
    under_way = most = asked = 0

    def begin() -> None:
        nonlocal under_way, most, asked
        under_way += 1
        asked += 1
        most = max(most, under_way)

    def end() -> None:
        nonlocal under_way
        under_way -= 1

    page = lab.page
    mean = page.locator("[data-figure=mean] small")
    expect(mean).to_have_text("51.1 million hashes")
    page.on("request", lambda each: begin() if "Estimate" in each.url else None)
    page.on("requestfinished", lambda each: end() if "Estimate" in each.url else None)

    for name in ("robots", "c0ffee"):
        lab.field("desiredName").press("Control+a")
        lab.field("desiredName").press_sequentially(name, delay=15)
    lab.fill(digestEncoding="DIGEST_ENCODING_HEX", anchor="ANCHOR_START")

    expect(mean).to_have_text("16.8 million hashes")  # 16 to the sixth
    assert 1 == most
    assert asked < len("robotsc0ffee")


@pytest.mark.parametrize(
    ("fields", "name", "text"),
    [
        ({"desiredName": "d" * 29}, "desiredName", "must have 1 to 28 characters, not 29"),
        ({"desiredName": "dad!"}, "desiredName", "no hash comes closer to this name"),
        ({"interestingHammingDistance": "7"}, "interestingHammingDistance", "must be 0 to 6"),
        ({"interestingHammingDistance": "x"}, "interestingHammingDistance", "a whole number"),
        ({"startPosition": str(LAST + 1)}, "startPosition", f"from 0 to {LAST}"),
        ({"maximumHashes": "0"}, "maximumHashes", "must be 1 to 2^64 - 1"),
        ({"wildcard": "a"}, "wildcard", "must be no character of base64"),
        ({"secretAlphabet": "aa"}, "secretAlphabet", "distinct"),
        ({"secretPrefix": r"\y"}, "secretPrefix", "a backslash must be followed by"),
        ({"secretLength": "1025"}, "secretLength", "must be 0 to 1024"),
        ({"seconds": "-1"}, "seconds", "must be a number of seconds"),
        ({"digestEncoding": "DIGEST_ENCODING_BINARY", "desiredName": "000000"}, "anchor", "START"),
    ],
)
def test_errors_are_shown_at_their_fields(
    lab: Lab, fields: dict[str, str], name: str, text: str
) -> None:
    """They appear while typing; a search is not started, and the field gets the focus."""
    lab.fill(**fields)
    field, error = lab.field(name), lab.error(name)
    expect(error).to_contain_text(text)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile(re.escape(text)))
    if name == "startPosition":
        lab.screenshot("field-error")

    lab.page.get_by_role("button", name="Search as A").click()
    expect(field).to_be_focused()
    expect(lab.page.locator(".card")).to_have_count(0)

    right = {"anchor": "ANCHOR_START", "desiredName": "doctor"}
    lab.fill(**{name: right.get(name, "")})
    expect(error).to_be_empty()
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_a_fifth_search_is_refused_with_the_reason(lab: Lab) -> None:
    """The example of fair shares starts four."""
    lab.page.get_by_role("button", name="one search of A against three of B").click()
    expect(lab.cards("B")).to_have_count(3)

    lab.fill(desiredName=UNFINDABLE, interestingHammingDistance="")
    lab.page.get_by_role("button", name="Search as A").click()

    expect(lab.error("form")).to_contain_text("Four searches are running")
    expect(lab.cards("A")).to_have_count(1)
