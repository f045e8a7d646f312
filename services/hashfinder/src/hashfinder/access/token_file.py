"""The file of bearer tokens: it has their hashes only."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

from hashfinder.access.file_error import AccessFileError

MOST_TOKENS = 100_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._@-]{0,63})[ \t]+(?P<digest>[0-9a-fA-F]{64})")
_FORM = "NAME SHA256, a name of 1 to 64 letters, digits and ._@- and 64 hexadecimal digits"


class Tokens:
    """The clients' names by token. Stores no token, only hashes of them."""

    def __init__(self, digests: Mapping[bytes, str]) -> None:
        """Take the names by the SHA-256 of the token."""
        # Found by a hash under a key of this process: how long that takes depends on nothing that a
        # client can choose, however many tokens there are.
        self._key = secrets.token_bytes(32)
        self._names = {self._blind(digest): (digest, name) for digest, name in digests.items()}

    def __len__(self) -> int:
        """Return how many tokens there are."""
        return len(self._names)

    def name_of(self, token: str) -> str | None:
        """Return the name of a token's client; None for an unknown token."""
        digest = hash_token(token)
        known, name = self._names.get(self._blind(digest), (bytes(32), ""))
        return name if hmac.compare_digest(digest, known) else None

    def _blind(self, digest: bytes) -> bytes:
        return hmac.digest(self._key, digest, "sha256")


def hash_token(token: str) -> bytes:
    """Return the hash of a token. Tokens are random, so that no slower hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def check_name(name: str) -> bool:
    """Return whether this is a valid name of a token."""
    return _NAME.fullmatch(name) is not None


def parse_tokens(text: str) -> Tokens:
    """Return the tokens of a file: a name and a hash a line; comments begin with ``#``.

    A name may have several tokens, so that a new one can be handed out before the old one goes.

    Raises:
        AccessFileError: with the line that is wrong, and what is allowed. It quotes nothing: what
            is wrong may be a token.
    """
    digests: dict[bytes, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not (given := line.partition("#")[0].strip()):
            continue
        if (found := _LINE.fullmatch(given)) is None:
            raise AccessFileError([(number, f"must be {_FORM}")])
        digest = bytes.fromhex(found["digest"])
        if digest in digests:
            raise AccessFileError([(number, "has the hash of an earlier line")])
        digests[digest] = found["name"]
        if len(digests) > MOST_TOKENS:
            problem = f"is one too many: {MOST_TOKENS} tokens are allowed"
            raise AccessFileError([(number, problem)])
    return Tokens(digests)
