"""Nostr events: ids by NIP-01, and the search for a nonce by NIP-13."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder_cli.jobs.nostr import Event, InvalidEventError
from hashfinder_rules.candidate import Candidate

PUBLISHED = {
    "id": "000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358",
    "pubkey": "a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243",
    "created_at": 1651794653,
    "kind": 1,
    "tags": [["nonce", "776797", "20"]],
    "content": "It's just me mining my own business",
}
"""The example of NIP-13."""
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
TAGS = st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=3)


def test_published_event_has_its_id_and_its_bits() -> None:
    """The id is computed, not read from the event."""
    event = Event.parse(json.dumps(PUBLISHED))
    assert (PUBLISHED["id"], 21, 20) == (event.id, event.zero_bits, event.target)


@given(content=TEXT, tags=TAGS)
def test_searched_message_is_the_events_serialization(content: str, tags: list[list[str]]) -> None:
    """Whatever tags and content contain, only the nonce varies."""
    event = Event.parse(json.dumps(PUBLISHED | {"content": content, "tags": tags}))
    query = event.nonce_query(9)
    candidate = Candidate.at(1234, query)
    mined = event.with_nonce(candidate.secret.decode(), 9)
    message = json.dumps(
        [0, mined.pubkey, mined.created_at, mined.kind, mined.tags, content],
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    assert message == query.message(candidate.secret)
    assert hashlib.sha256(message).hexdigest() == mined.id
    assert mined.id == json.loads(mined.to_json())["id"]


def test_nonce_is_replaced_and_other_tags_are_kept() -> None:
    """An event has one nonce tag, which is the last one."""
    event = Event.parse(
        json.dumps(PUBLISHED | {"tags": [["e", "x"], ["nonce", "1", "2"], ["p", "y"]]})
    )
    assert (("e", "x"), ("p", "y"), ("nonce", "7", "3")) == event.with_nonce("7", 3).tags


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"pubkey": "A" * 64}, "pubkey"),
        ({"pubkey": None}, "pubkey"),
        ({"created_at": -1}, "created_at"),
        ({"created_at": 1.5}, "created_at"),
        ({"created_at": True}, "created_at"),
        ({"kind": 65536}, "kind"),
        ({"content": 1}, "content"),
        ({"content": "\ud800"}, "content"),
        ({"tags": {}}, "tags"),
        ({"tags": [[]]}, "tags"),
        ({"tags": [["e", 1]]}, "tags"),
        ({"tags": ["e"]}, "tags"),
    ],
)
def test_invalid_field_is_named(change: dict[str, object], field: str) -> None:
    """The message says what is allowed."""
    with pytest.raises(InvalidEventError, match=f"event's {field} must be"):
        Event.parse(json.dumps(PUBLISHED | change))


@pytest.mark.parametrize("text", ["", "[]", "{", "1", "[" * 100_000])
def test_invalid_json_is_refused(text: str) -> None:
    """So is JSON that is nested too deeply."""
    with pytest.raises(InvalidEventError, match="JSON"):
        Event.parse(text)
