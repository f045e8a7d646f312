"""The search from its start to its end, whoever ends it."""

import sys
import time
from contextlib import suppress
from dataclasses import replace
from queue import Empty

import grpc

from hashfinder_cli import result_file
from hashfinder_cli.client import Call, start
from hashfinder_cli.events import Event, EventQueue, Interrupted
from hashfinder_cli.exit_codes import ExitCode, of_signal
from hashfinder_cli.explain import Ending, explain, explain_pause, progress_advice, resume_advice
from hashfinder_cli.output import Find, Output, output_for, reader_is_gone
from hashfinder_cli.search import Search
from hashfinder_cli.signals import reported_to
from hashfinder_cli.status_line import REFRESH, StatusLine
from hashfinder_client.channel import open_channel
from hashfinder_client.errors import StoppedError, VerificationError
from hashfinder_client.events import Pause, Progress, SearchEvent
from hashfinder_client.match import Match
from hashfinder_client.status import RpcStatus

GRACE = 0.5
"""Seconds that an RPC has to end: by itself after the ideal result, or after it was cancelled."""
LINGER = 0.2
"""Seconds that the connection outlives a cancelled RPC."""


def find(search: Search) -> ExitCode:
    """Search, show everything, and return the exit code. Called in the main thread."""
    events = EventQueue()
    output = output_for(search, sys.stdout)
    with (
        reported_to(events),
        open_channel(search.server) as channel,
        StatusLine(search, sys.stderr) as status,
    ):
        return Watch(search, channel, events, output, status).run()


class Watch:
    """Makes the RPCs of one search, takes their events and decides when it is over."""

    def __init__(
        self,
        search: Search,
        channel: grpc.Channel,
        events: EventQueue,
        output: Output,
        status: StatusLine,
    ) -> None:
        """Begin; signals come out of `events` as well."""
        self._search = search
        self._channel = channel
        self._events = events
        self._output = output
        self._status = status
        self._shards = search.begin()
        self._started = time.monotonic()
        self._calls: dict[int, Call] = {}
        self._ideal: Find | None = None
        self._kernel = ""
        self._was_cancelled = False

    def run(self) -> ExitCode:
        """Take events until the end is known and the RPCs have ended; show it."""
        ending = self._follow()
        self._leave(grace=GRACE if ending.code == ExitCode.FOUND else 0.0)
        ending = self._written(replace(ending, kernel=self._kernel))
        if ending.code != ExitCode.BROKEN_PIPE:
            with suppress(OSError):  # The first ending counts.
                self._status.say(ending.sentence, ending.advice)
                self._output.end(ending)
        if self._was_cancelled:
            # While the connection is there, the server can tell a cancelled RPC from a lost peer.
            time.sleep(LINGER)
        return ending.code

    def _follow(self) -> Ending:
        ending = None
        try:
            while ending is None:
                ending = self._step()
        except StoppedError as error:
            return explain(error, self._search)
        except VerificationError as error:
            sentence = f"The server at {self._search.server} sent what is not true: {error}."
            return Ending(code=ExitCode.UNTRUE, sentence=sentence)
        except BrokenPipeError:
            return Ending(code=ExitCode.BROKEN_PIPE, sentence="")
        except OSError as error:
            sentence = f"Cannot write the results: {error.strerror}."
            return Ending(code=ExitCode.FAULT, sentence=sentence)
        return ending

    def _step(self) -> Ending | None:
        """Take one event, waiting for it no longer than the spinner's next picture."""
        for leg in self._shards.begin():
            streams = self._search.streams
            self._calls[leg.number] = start(self._channel, leg, self._events, streams=streams)
        happened = self._event(REFRESH)
        ending = None if happened is None else self._take(*happened)
        for number in self._shards.surplus():
            self._cancel(number)
        if ending is None:
            self._status.tick(self._seconds())
            if reader_is_gone(sys.stdout):
                raise BrokenPipeError
        return ending

    def _event(self, patience: float) -> tuple[int, Event] | None:
        try:
            number, event = self._events.get(timeout=patience)
        except Empty:
            return None
        if isinstance(event, RpcStatus):
            self._calls.pop(number, None)
            self._kernel = event.kernel or self._kernel
        return number, event

    def _take(self, number: int, event: Event) -> Ending | None:
        """Show what an event tells; return the ending, if it is one.

        Raises:
            StoppedError: the search has ended without its ideal result.
            VerificationError: the server lies.
            OSError: the event cannot be shown.
        """
        if isinstance(event, Interrupted):
            return self._interrupted(event.signum)
        at = self._shards
        told = at.end(number, event) if isinstance(event, RpcStatus) else at.take(number, event)
        for news in told:
            self._show(news)
        found = self._shards.found
        return Ending(code=ExitCode.FOUND, sentence="", status="OK") if found else None

    def _show(self, news: SearchEvent) -> None:
        match news:
            case Progress():
                self._output.report(news)
                self._status.report(news, self._seconds())
            case Pause():
                self._status.say(explain_pause(news, self._search))
            case Match():
                self._status.clear()
                self._output.find(self._find(news))

    def _find(self, result: Match) -> Find:
        is_ideal = result is self._shards.found
        seconds = self._seconds()
        rate = None
        # Only a server that tells positions searches them all in order; only one process does.
        if self._shards.next_position is not None and self._search.shard is None:
            rate = (result.position + 1 - self._search.first_position) / seconds
        find = Find(result, is_ideal, seconds, rate)
        if is_ideal:
            self._ideal = find
        return find

    def _interrupted(self, signum: int) -> Ending:
        position = self._shards.next_position
        return Ending(
            code=ExitCode(of_signal(signum)),
            sentence="Cancelled.",
            advice=resume_advice(self._search, position) or progress_advice(self._search),
            next_position=position,
        )

    def _leave(self, grace: float) -> None:
        """Let the RPCs end for `grace` seconds, then cancel them and wait a little."""
        self._drain(grace)
        for number in self._calls:
            self._cancel(number)
        self._drain(GRACE)

    def _cancel(self, number: int) -> None:
        if call := self._calls.get(number):
            self._was_cancelled = True
            call.cancel()

    def _drain(self, seconds: float) -> None:
        """Take events, without effect, until the RPCs have ended or `seconds` have passed."""
        give_up = self._seconds() + seconds
        while self._calls and (left := give_up - self._seconds()) > 0:
            self._event(left)

    def _written(self, ending: Ending) -> Ending:
        """Write the result file, if one is asked for; return the ending that this makes it."""
        if (path := self._search.result_file) is None:
            return ending
        try:
            result_file.write(path, self._ideal, ending)
        except OSError as error:
            sentence = f"Cannot write the --result-file {path}: {error.strerror}."
            return replace(ending, code=ExitCode.FAULT, sentence=sentence, advice="")
        return ending

    def _seconds(self) -> float:
        return time.monotonic() - self._started
