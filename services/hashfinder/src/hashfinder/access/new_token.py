"""Make tokens: ``hashfinder-server new-token NAME FILE``."""

import os
import secrets

from hashfinder.access.token_file import check_name, hash_token
from hashfinder_process.entry import ProgramError

USAGE = """\
usage: hashfinder-server new-token NAME FILE

Write a new token to FILE, which must not exist and only its owner can read, and print its line for
the file of --tokens: NAME and the token's SHA-256. NAME is 1 to 64 letters, digits and ._@-
"""
_TOKEN_BYTES = 32


class NewTokenError(ProgramError):
    """No token was made."""

    code = 2


def create_token(name: str, path: str) -> str:
    """Write a new token of 256 random bits to a new file; return its line for ``--tokens``.

    Raises:
        NewTokenError: the name is not valid, or the file exists or cannot be written.
    """
    if not check_name(name):
        message = f"NAME must be 1 to 64 letters, digits and ._@-, not {name!r}"
        raise NewTokenError(message)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{token}\n")
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise NewTokenError(message) from None
    return f"{name} {hash_token(token).hex()}"
