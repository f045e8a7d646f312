"""The token file, and the client that a token belongs to."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.access import token_file
from hashfinder.access.file_error import AccessFileError
from hashfinder.access.token_file import Tokens, parse_tokens

TOKEN = "correct-horse-battery-staple"


def line(name: str, token: str) -> str:
    """Return a token's line."""
    return f"{name} {hashlib.sha256(token.encode()).hexdigest()}\n"


def problems(text: str) -> list[tuple[int | None, str]]:
    """Return the problems in a file, with their lines."""
    with pytest.raises(AccessFileError) as caught:
        parse_tokens(text)
    return caught.value.problems


def test_token_is_known_by_its_hash() -> None:
    """Only the exact token is known; comments and empty lines are ignored."""
    tokens = parse_tokens(
        "# comment\n\n" + line("alice", TOKEN) + "  bob\t" + "0" * 64 + " # bob\n"
    )
    assert 2 == len(tokens)
    assert "alice" == tokens.name_of(TOKEN)
    others = (
        "",
        TOKEN[:-1],
        TOKEN + "x",
        TOKEN.upper(),
        hashlib.sha256(TOKEN.encode()).hexdigest(),
    )
    assert [None] * len(others) == [tokens.name_of(other) for other in others]


def test_name_may_have_several_tokens() -> None:
    """A new token can be issued before the old one is removed."""
    tokens = parse_tokens(line("alice", "old") + line("alice", "new"))
    assert ["alice", "alice"] == [tokens.name_of("old"), tokens.name_of("new")]


def test_empty_file_has_no_tokens() -> None:
    """It is valid, and refuses every token."""
    assert parse_tokens("").name_of("") is None


@pytest.mark.parametrize(
    "wrong",
    [
        "alice",
        "alice " + "0" * 63,
        "alice " + "0" * 65,
        "alice " + "g" * 64,
        "alice bob " + "0" * 64,
        ".alice " + "0" * 64,
        "a" * 65 + " " + "0" * 64,
        "alíce " + "0" * 64,
        f"alice {TOKEN}",
    ],
)
def test_invalid_line_is_named_but_not_quoted(wrong: str) -> None:
    """It may contain a token, written there by mistake."""
    [(number, problem)] = problems("# first\n" + wrong + "\n")
    assert 2 == number
    assert "must be NAME SHA256" in problem
    assert TOKEN not in problem


def test_repeated_hash_is_refused() -> None:
    """Otherwise a token would have two names."""
    text = line("alice", TOKEN) + "\n" + line("bob", TOKEN).upper()
    assert [(3, "has the hash of an earlier line")] == problems(text)


def test_number_of_tokens_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the limit."""
    monkeypatch.setattr(token_file, "MOST_TOKENS", 2)
    text = "".join(line("alice", str(n)) for n in range(3))
    assert [(3, "is one too many: 2 tokens are allowed")] == problems(text)


def test_tokens_are_not_stored() -> None:
    """Neither its repr nor its attributes have one: names are stored under a hash of the hash."""
    tokens = parse_tokens(line("alice", TOKEN))
    digest = hashlib.sha256(TOKEN.encode()).digest()
    assert TOKEN not in repr(tokens)
    assert digest.hex() not in repr(tokens)
    assert TOKEN not in repr(vars(tokens))


@given(st.dictionaries(st.binary(min_size=32, max_size=32), st.just("name"), max_size=5), st.text())
def test_unknown_token_has_no_name_whatever_it_is(digests: dict[bytes, str], token: str) -> None:
    """Any text may arrive, including text that cannot be encoded."""
    known = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest() in digests
    assert ("name" if known else None) == Tokens(digests).name_of(token)


@given(st.text(alphabet=st.sampled_from("ab0f #\t\n\r\x0b\x85.-_@é"), max_size=200) | st.text())
def test_any_file_is_accepted_or_refused_with_a_line(text: str) -> None:
    """There are no other errors, and the line exists."""
    try:
        parse_tokens(text)
    except AccessFileError as error:
        lines = [number for number, _ in error.problems]
        assert all(number and 1 <= number <= text.count("\n") + 1 for number in lines)
