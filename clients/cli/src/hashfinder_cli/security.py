"""The security of the connection, from the options that ask for it."""

import sys

import typer

from hashfinder_cli.options.search import Connection
from hashfinder_client.tls import Tls
from hashfinder_client.token_file import TokenFile


def tls_of(connection: Connection) -> Tls | None:
    """Return how to speak TLS; None for plain text.

    Raises:
        typer.BadParameter: a file cannot be used.
    """
    if not connection.speaks_tls:
        return None
    tls = Tls(ca=connection.ca, certificate=connection.certificate, key=connection.key)
    try:
        tls.credentials()
    except ValueError as error:
        field, _, what = str(error).partition(": ")
        raise typer.BadParameter(what, param_hint=f"--{field}") from None
    return tls


def token_of(connection: Connection, tls: Tls | None) -> TokenFile | None:
    """Return the token to send; None for none. Warns if every user of this machine can read it.

    Raises:
        typer.BadParameter: the file cannot be used, or the token would be sent in plain text.
    """
    if connection.token_file is None:
        return None
    try:
        token = TokenFile(connection.token_file)
        token.check_way(connection.server, tls)
    except ValueError as error:
        what = str(error).partition(": ")[2]
        raise typer.BadParameter(what, param_hint="--token-file") from None
    if token.is_exposed:
        path = connection.token_file
        print(f"Warning: every user can read {path}: chmod 600 {path}", file=sys.stderr)
    return token
