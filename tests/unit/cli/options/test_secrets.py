"""The messages that the options describe."""

from pathlib import Path

import pytest

from hashfinder_cli.options.secrets import ALPHABETS, Secrets
from hashfinder_rules.keyspace import ALL_BYTES, Keyspace


def test_defaults() -> None:
    """All byte strings, without prefix and suffix."""
    secrets = Secrets()

    assert (Keyspace(ALL_BYTES), b"", b"") == (secrets.keyspace, secrets.prefix, secrets.suffix)


def test_forms(tmp_path: Path) -> None:
    """Text is encoded as UTF-8, bytes are hexadecimal, and a file is used unchanged."""
    file = tmp_path / "bytes"
    file.write_bytes(b"\xff\n")

    assert "\N{SNOWMAN}".encode() == Secrets(secret_prefix="\N{SNOWMAN}").prefix
    assert b"\0\xfe" == Secrets(secret_suffix_hex="00fe").suffix
    assert b"\xff\n" == Secrets(secret_prefix_file=str(file)).prefix


@pytest.mark.parametrize("name", ALPHABETS)
def test_alphabets(name: str) -> None:
    """A name stands for distinct bytes in a fixed order; other text for its characters."""
    alphabet = Secrets(alphabet=name).keyspace.alphabet

    assert ALPHABETS[name].encode() == alphabet
    assert len(alphabet) == len(set(alphabet))
    assert Keyspace(b"cab", 2) == Secrets(alphabet="cab", secret_length=2).keyspace
