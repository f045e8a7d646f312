"""How a search ended, as a sentence that a person understands and a code that a script does.

The table of statuses and details is that of the contract (``hash_name.proto``): a case for each,
at over 250 lines.
"""

from collections.abc import Callable
from typing import TypeAlias

from grpc import StatusCode

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.options.flags import FLAGS, in_flags
from hashfinder_cli.options.search import DEFAULT_SERVER, Connection
from hashfinder_cli.search import Search
from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.text import plain
from hashfinder_client.errors import BudgetSpentError, OutdatedServerError, StoppedError
from hashfinder_client.events import Match, Pause
from hashfinder_client.local_server import LocalServerError
from hashfinder_client.tls import TlsFault, fault_of, is_closed_at_once


def explain(error: StoppedError, search: Search) -> Ending:
    """Return the ending that `error` means for `search`."""
    code, sentence, advice = _explained(error, search)
    return Ending(
        code=code,
        sentence=sentence + _again(error),
        advice=advice,
        status=error.status.name,
        reason=error.details.reason,
        next_position=error.next_position,
        best=error.best,
        retry_after=error.retry_after,
        request_id=plain(error.details.request_id),
    )


def explain_pause(pause: Pause, search: Search) -> str:
    """Return a line that says why a search pauses, for how long, and from where it resumes."""
    _, sentence, _ = _explained(pause.error, search)
    position = pause.error.next_position
    again = "Trying again" if position is None else f"Resuming from position {position}"
    delay = f" in {pause.delay:.1f} s" if pause.delay else ""
    return f"{sentence.splitlines()[0]} {again}{delay}."


def resume_advice(search: Search, next_position: int | None) -> str:
    """Return how to resume from `next_position`; nothing where that is not known or not of use."""
    if next_position is None:
        return ""
    if (path := search.kept.state) is not None and next_position < search.query.limit:
        return f"To continue, run the same command again: {path} has the position."
    if not (command := search.command(next_position)):
        return ""
    return f"To continue, resume with --start-position {next_position}:\n  {command}"


def unreachable(server: str, text: str) -> str:
    """Return the sentence for a `server` that is UNAVAILABLE, as gRPC's core says with `text`."""
    if fault := fault_of(text):
        return f"Cannot connect to {server}: {fault}."
    if "failed to connect" in text.lower() or "resolving" in text:
        return f"Cannot connect to {server}: {text.rpartition(': ')[2].rstrip(']')}."
    return f"Lost the connection to {server}: {text}."


def no_private_server(error: LocalServerError) -> Ending:
    """Return the ending of a search with --local for which there is no server."""
    text = "\n".join(plain(line) for line in str(error).splitlines())
    sentence = f"Cannot search with --local: {text}"
    return Ending(code=ExitCode.UNAVAILABLE, sentence=sentence)


def tls_advice(text: str, connection: Connection) -> str:
    """Return what to change where TLS may be why the server is UNAVAILABLE with `text`."""
    if fault := fault_of(text):
        return _TLS_ADVICE[fault]
    if not is_closed_at_once(text):
        return ""
    if not connection.speaks_tls:
        return "If it uses TLS, add --tls, or --ca FILE for a CA that the system does not know."
    if connection.certificate is None:
        return "If it asks for a client certificate, add --certificate FILE and --key FILE."
    return "Check that its CA has signed the client certificate, and that this has not expired."


_TLS_ADVICE = {
    TlsFault.UNTRUSTED: "If you trust it, give the certificate of its CA with --ca FILE.",
    TlsFault.OTHER_NAME: "Name the server as its certificate does, or have it reissued.",
    TlsFault.EXPIRED: "Its operator has to renew the certificate.",
    TlsFault.UNFIT: "Its operator has to replace the certificate.",
    TlsFault.PLAIN_TEXT: "For plain text, leave out --tls, --ca and --certificate, and their"
    " variables.",
}
_Explained: TypeAlias = tuple[ExitCode, str, str]


def _explained(error: StoppedError, search: Search) -> _Explained:
    if isinstance(error, OutdatedServerError):
        return _outdated(error, search)
    if isinstance(error, BudgetSpentError):
        return _budget(error, search)
    by_status = _BY_STATUS.get(error.status, _fault)
    return _BY_REASON.get(error.details.reason, by_status)(error, search)


def _resume(error: StoppedError, search: Search) -> str:
    return resume_advice(search, error.next_position)


def _again(error: StoppedError) -> str:
    if error.retry_after is None:
        return ""
    elsewhere = ", or another server" if error.status is StatusCode.UNAVAILABLE else ""
    return f" Try again in {error.retry_after:g} s{elsewhere}."


def _budget(error: StoppedError, search: Search) -> _Explained:
    hashes = f" after {error.hashes:,} hashes" if error.hashes else ""
    sentence = f"Nothing found: the budget was spent{hashes}."
    if error.best:
        sentence += "\n" + _best_sentence(error.best)
    if error.hashes and error.next_position is None:
        sentence += "\nThe last position has been searched; nothing is left."
    return ExitCode.BUDGET_SPENT, sentence, _resume(error, search)


def _best_sentence(best: Match) -> str:
    return (
        f"Best so far: distance {best.distance} at position {best.position}, "
        f"hash {best.hashed_name}, secret {best.secret_text or '(empty)'}."
    )


def _busy(sentence: str) -> Callable[[StoppedError, Search], _Explained]:
    return lambda error, search: (ExitCode.BUSY, sentence, _resume(error, search))


def _time_limit(error: StoppedError, search: Search) -> _Explained:
    sentence = f"Nothing found within the time limit of the server at {search.server}."
    return ExitCode.BUDGET_SPENT, sentence, _resume(error, search)


def _stopped(error: StoppedError, search: Search) -> _Explained:
    sentence = f"The operator of the server at {search.server} has stopped the search."
    return ExitCode.STOPPED, sentence, _resume(error, search)


def _draining(error: StoppedError, search: Search) -> _Explained:
    sentence = f"The server at {search.server} is shutting down."
    return ExitCode.UNAVAILABLE, sentence, _resume(error, search)


def _exhausted(error: StoppedError, search: Search) -> _Explained:
    sentence = f"The server at {search.server} has no room for the request: {plain(error.text)}"
    return ExitCode.BUSY, sentence, _resume(error, search)


def _unavailable(error: StoppedError, search: Search) -> _Explained:
    text = plain(error.text)
    advice = filter(
        None,
        [tls_advice(text, search.connection), _local_advice(text, search), _resume(error, search)],
    )
    return ExitCode.UNAVAILABLE, unreachable(search.server, text), "\n".join(advice)


def _local_advice(text: str, search: Search) -> str:
    """Return how to search where nothing listens at the address that is asked by default."""
    if search.server != DEFAULT_SERVER or "refused" not in text:
        return ""
    return "Start a server with hashfinder-server, or search without one: --local."


def _deadline(error: StoppedError, search: Search) -> _Explained:
    timeout = search.limits.timeout
    within = "before the server's deadline" if timeout is None else f"within {timeout:g} s"
    advice = _resume(error, search) or progress_advice(search)
    return ExitCode.DEADLINE, f"Nothing found {within}.", advice


def progress_advice(search: Search) -> str:
    """Return how to get a search that can be resumed, where this one cannot."""
    if search.streams:
        return ""
    return "A plain search reports no position; with --progress it can be resumed."


def _invalid(error: StoppedError, _: Search) -> _Explained:
    violations = error.details.violations
    if not violations:
        return ExitCode.INVALID, f"The server refused the request: {plain(error.text)}", ""
    lines = [
        f"  {FLAGS.get(field, plain(field))}: {in_flags(plain(wrong))}"
        for field, wrong in violations
    ]
    return ExitCode.INVALID, "\n".join(["The server refused the request:", *lines]), ""


def _internal(error: StoppedError, search: Search) -> _Explained:
    request_id = plain(error.details.request_id)
    if not request_id:
        return _fault(error, search)
    advice = f"Report the request id {request_id} to its operator."
    sentence = "The server failed; your request is valid."
    return ExitCode.FAULT, sentence, "\n".join(filter(None, [advice, _resume(error, search)]))


def _denied(sentence: str, advice: str) -> Callable[[StoppedError, Search], _Explained]:
    def explained(error: StoppedError, search: Search) -> _Explained:
        whole = sentence.format(server=search.server, text=plain(error.text))
        lines = filter(None, [advice, _resume(error, search)])
        return ExitCode.DENIED, whole, "\n".join(lines)

    return explained


def _outdated(_: StoppedError, search: Search) -> _Explained:
    sentence = (
        f"The server at {search.server} is too old for this search: it has no Estimate, knows only"
        " SHA-1 in base64 of all byte strings, and would search for something else."
    )
    return ExitCode.FAULT, sentence, "Nothing was searched. Ask a newer server."


def _no_service(_: StoppedError, search: Search) -> _Explained:
    return ExitCode.FAULT, f"The server at {search.server} offers no such search.", ""


def _no_result(error: StoppedError, search: Search) -> _Explained:
    sentence = "The server ended the search without a result."
    return ExitCode.FAULT, sentence, _resume(error, search)


def _fault(error: StoppedError, search: Search) -> _Explained:
    text = f": {plain(error.text)}" if error.text else "."
    sentence = f"The server ended the search with {error.status.name}{text}"
    return ExitCode.FAULT, sentence, _resume(error, search)


_BY_REASON: dict[str, Callable[[StoppedError, Search], _Explained]] = {
    "CLIENT_QUOTA_EXHAUSTED": _busy("Your share of the server's hash rate is used up."),
    "TOO_MANY_SEARCHES": _busy("You have reached the server's limit of searches for one client."),
    "SERVER_OVERLOADED": _busy("The server has reached its limit of searches."),
    "SERVER_DRAINING": _draining,
    "STOPPED_BY_OPERATOR": _stopped,
    "TIME_LIMIT_REACHED": _time_limit,
    "TOKEN_MISSING": _denied(
        "The server at {server} requires authentication.",
        "Add --token-file FILE, or --certificate and --key; its operator has them for you.",
    ),
    "TOKEN_UNKNOWN": _denied(
        "The server at {server} does not know the token that was sent.",
        "Ask its operator for a new one, and put it into the file of --token-file.",
    ),
    "CERTIFICATE_UNKNOWN": _denied(
        "The server at {server} does not know the client of the certificate: {text}.",
        "Ask its operator to let this client in.",
    ),
    "NOT_ALLOWED": _denied("The server at {server} does not allow this: {text}.", ""),
}
_BY_STATUS: dict[StatusCode, Callable[[StoppedError, Search], _Explained]] = {
    StatusCode.OK: _no_result,
    StatusCode.INVALID_ARGUMENT: _invalid,
    StatusCode.RESOURCE_EXHAUSTED: _exhausted,
    StatusCode.UNAVAILABLE: _unavailable,
    StatusCode.DEADLINE_EXCEEDED: _deadline,
    StatusCode.INTERNAL: _internal,
    StatusCode.UNAUTHENTICATED: _denied(
        "The server at {server} does not know this client: {text}", ""
    ),
    StatusCode.PERMISSION_DENIED: _denied("The server at {server} does not allow this: {text}", ""),
    StatusCode.UNIMPLEMENTED: _no_service,
}
