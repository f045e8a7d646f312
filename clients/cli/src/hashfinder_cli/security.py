"""The security of the connection, from the options that ask for it."""

import typer

from hashfinder_cli.options.search import Connection
from hashfinder_client.tls import Tls


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
