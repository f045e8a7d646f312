"""One search from its start to its end."""

import asyncio
import sys
from contextlib import nullcontext

import typer

from hashfinder_cli.commands.driver import Driver
from hashfinder_cli.commands.loop import set_once
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.options.flags import check
from hashfinder_cli.private_server import server_for
from hashfinder_cli.search import Search
from hashfinder_cli.signals import reported
from hashfinder_cli.state.keeper import Keeper, kept
from hashfinder_cli.state.record import InvalidStateError, Record
from hashfinder_cli.succession import Succession
from hashfinder_cli.view import result_file
from hashfinder_cli.view.explanations import no_private_server
from hashfinder_cli.view.results import Held, Output, output_for
from hashfinder_cli.view.status_line import StatusLine
from hashfinder_client.channel import connect_async
from hashfinder_client.events import Match
from hashfinder_client.local_server import LocalServerError
from hashfinder_client.renewable_channel import RenewableChannel


def find(search: Search) -> ExitCode:
    """Search, show everything, and return the exit code. Called in the main thread.

    Raises:
        typer.BadParameter: the result file cannot be written, or a flag has a value that no server
            takes; nothing was searched.
    """
    check(search.query.rules)
    if (path := search.shown.result_file) is not None:
        try:
            result_file.empty(path)
        except (OSError, ValueError) as error:
            message = f"cannot write {path!r}: {getattr(error, 'strerror', None) or error}"
            raise typer.BadParameter(message, param_hint="--result-file") from None
    return _run(search, output_for(search, sys.stdout))


def find_match(search: Search) -> tuple[ExitCode, Match | None]:
    """Search, and return the exit code and the ideal match; the command shows it itself."""
    held = Held(sys.stdout, as_json=search.shown.as_json)
    return _run(search, held), held.match


def _run(search: Search, output: Output) -> ExitCode:
    try:
        with kept(search) as keeper:
            is_over = _succession(search, keeper).is_over  # It needs no server.
            with nullcontext(search) if is_over else server_for(search) as reached:
                return asyncio.run(_find(_succession(reached, keeper), output, keeper))
    except LocalServerError as error:
        ending = result_file.write_end(search.shown.result_file, None, no_private_server(error))
        output.end(ending)
        print(ending.sentence, file=sys.stderr)
        return ending.code


def _succession(search: Search, keeper: Keeper | None) -> Succession:
    record = keeper.record if keeper else None
    try:
        return Succession(search, record or Record())
    except InvalidStateError as error:
        raise typer.BadParameter(str(error), param_hint="--state") from None


async def _find(succession: Succession, output: Output, keeper: Keeper | None) -> ExitCode:
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[int] = loop.create_future()
    search = succession.asked
    with (
        reported(lambda signum: loop.call_soon_threadsafe(set_once, stop, signum)),
        StatusLine(search, sys.stderr) as status,
    ):
        channel = RenewableChannel(search.server, connect_async, search.tls, search.token)
        try:
            driver = Driver(succession, channel, sys.stdout, output, status, keeper)
            return await driver.run(stop)
        finally:
            for each in channel.close():
                await each.close()
