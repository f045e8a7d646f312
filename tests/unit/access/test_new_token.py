"""The command that makes tokens."""

import stat
from pathlib import Path

import pytest

from hashfinder.access.new_token import NewTokenError, create_token
from hashfinder.access.token_file import parse_tokens


def test_token_is_in_a_file_of_its_owner_and_known_by_its_line(tmp_path: Path) -> None:
    """Each token is different, and valid in an HTTP header."""
    paths = [tmp_path / "one", tmp_path / "two"]
    lines = [create_token("alice", str(path)) for path in paths]
    tokens = [path.read_text().strip() for path in paths]
    known = parse_tokens("\n".join(lines))
    assert ["alice", "alice"] == [known.name_of(token) for token in tokens]
    assert tokens[0] != tokens[1]
    assert all(len(token) == 43 and token.isascii() for token in tokens)
    assert [0o600, 0o600] == [stat.S_IMODE(path.stat().st_mode) for path in paths]


def test_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    """It may contain a token in use."""
    path = tmp_path / "token"
    path.write_text("mine")
    with pytest.raises(NewTokenError, match="File exists"):
        create_token("alice", str(path))
    assert "mine" == path.read_text()


def test_invalid_name_is_refused(tmp_path: Path) -> None:
    """No token is made."""
    with pytest.raises(NewTokenError, match="NAME must be 1 to 64 letters"):
        create_token("two words", str(tmp_path / "token"))
    assert [] == list(tmp_path.iterdir())
