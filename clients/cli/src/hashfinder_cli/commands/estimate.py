"""The estimate of a search: how probable a result is, and how long it takes."""

import sys

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.options.flags import check
from hashfinder_cli.private_server import server_for
from hashfinder_cli.search import Search
from hashfinder_cli.view.estimates import json_line, of_chance, paragraph
from hashfinder_cli.view.explanations import explain, no_private_server
from hashfinder_client.channel import connect
from hashfinder_client.errors import DeadlinePassedError, OutdatedServerError, StoppedError
from hashfinder_client.estimation import estimate as ask
from hashfinder_client.local_server import LocalServerError
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_proto.hash_name_pb2 import SearchEstimate


def estimate(search: Search, *, timeout: float) -> ExitCode:
    """Print the server's estimate of `search`; return FOUND, or why there is none.

    Where an older server knows all of the search but not `Estimate`, the chance is computed here,
    and the rate remains unknown.

    Args:
        search: what would be searched for.
        timeout: seconds to wait for an answer.
    """
    check(search.query.rules)
    try:
        with server_for(search) as reached:
            answer = _ask(reached, timeout)
    except LocalServerError as error:
        ending = no_private_server(error)
        print(ending.sentence, file=sys.stderr)
        return ending.code
    except StoppedError as error:
        if not (isinstance(error, OutdatedServerError) and search.query.is_classic):
            ending = explain(error, search)
            sentence, advice = ending.sentence, ending.advice
            if isinstance(error, DeadlinePassedError):
                sentence, advice = f"No answer from {search.server} within {timeout:g} s.", ""
            print(*filter(None, [sentence, advice]), sep="\n", file=sys.stderr)
            return ending.code
        answer = of_chance(search.query.chance)
    text = json_line(answer) if search.shown.as_json else paragraph(answer) + "\n"
    sys.stdout.write(text)
    sys.stdout.flush()
    return ExitCode.FOUND


def _ask(search: Search, timeout: float) -> SearchEstimate:
    channel = RenewableChannel(search.server, connect, search.tls, search.token)
    try:
        return ask(channel, search.query, timeout)
    finally:
        for each in channel.close():
            each.close()
