"""The search from its start to its end, whoever ends it."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from queue import Empty

from hashfinder_cli.chance import chance_of_hit, hit_probability
from hashfinder_cli.client import Call, open_channel, start
from hashfinder_cli.events import Ended, Event, EventQueue, Interrupted
from hashfinder_cli.exit_codes import ExitCode, of_signal
from hashfinder_cli.explain import Ending, explain, progress_advice, resume_advice
from hashfinder_cli.output import Find, Output, Report, output_for, reader_is_gone
from hashfinder_cli.search import Search
from hashfinder_cli.signals import reported_to
from hashfinder_cli.status_line import REFRESH, StatusLine
from hashfinder_cli.verify import UntrueResultError, Verifier
from hashfinder_proto.hash_name_pb2 import HashNameResponse, SearchProgress

GRACE = 0.5
"""Seconds that an RPC has to end: by itself after the ideal result, or after it was cancelled."""
LINGER = 0.2
"""Seconds that the connection outlives a cancelled RPC."""


def find(search: Search) -> ExitCode:
    """Search, show everything, and return the exit code. Called in the main thread."""
    events = EventQueue()
    output = output_for(search, sys.stdout)
    with reported_to(events), open_channel(search.server) as channel:
        call = start(channel, search, events)
        with StatusLine(search, sys.stderr) as status:
            ending = Watch(search, call, events, output, status).run()
    return ending.code


class Watch:
    """Takes the events of one search and decides when it is over."""

    def __init__(
        self, search: Search, call: Call, events: EventQueue, output: Output, status: StatusLine
    ) -> None:
        """Watch `call`, whose events come out of `events`."""
        self._search = search
        self._call = call
        self._events = events
        self._output = output
        self._status = status
        self._verifier = Verifier(search)
        self._started = time.monotonic()
        self._next_position: int | None = None
        self._ending: Ending | None = None
        self._has_ended = False
        self._was_cancelled = False
        self._give_up = math.inf

    def run(self) -> Ending:
        """Take events until the end is known and the RPC has ended; show and return the ending."""
        while self._ending is None or not (self._has_ended or self._seconds() > self._give_up):
            self._guarded(self._step)
        if not self._has_ended:
            self._cancel()
        self._guarded(self._show_end)
        if self._was_cancelled:
            # While the connection is there, the server can tell a cancelled RPC from a lost peer.
            time.sleep(LINGER)
        return self._ending

    def _guarded(self, act: Callable[[], None]) -> None:
        """Run `act`; end the search where that shows that it cannot go on."""
        try:
            act()
        except UntrueResultError as error:
            sentence = f"The server at {self._search.server} sent what is not true: {error}."
            self._stop(Ending(code=ExitCode.UNTRUE, sentence=sentence))
        except BrokenPipeError:
            self._stop(Ending(code=ExitCode.BROKEN_PIPE, sentence=""))
        except OSError as error:
            sentence = f"Cannot write the results: {error.strerror}."
            self._stop(Ending(code=ExitCode.FAULT, sentence=sentence))

    def _step(self) -> None:
        """Take one event, waiting for it no longer than the spinner's next picture."""
        try:
            event = self._events.get(timeout=REFRESH)
        except Empty:
            pass
        else:
            self._take(event)
        if self._ending is None:
            self._status.tick(self._seconds())
            if reader_is_gone(sys.stdout):
                raise BrokenPipeError

    def _take(self, event: Event) -> None:
        match event:
            case Ended():
                self._has_ended = True
                told = self._next_position
                ending = self._ending or explain(event, self._search, self._verifier, told)
                self._ending = replace(ending, kernel=event.kernel)
            case Interrupted():
                self._stop(self._interrupted(event.signum))
            case HashNameResponse():
                self._take_message(event)

    def _take_message(self, message: HashNameResponse) -> None:
        if self._ending is not None:
            return  # After the end nothing counts, so that what was shown and told agree.
        if message.HasField("progress"):
            self._take_progress(message.progress)
        else:
            self._take_result(message)

    def _take_progress(self, progress: SearchProgress) -> None:
        best = None
        if progress.HasField("best_candidate"):
            best = self._verifier.candidate(progress.best_candidate)
        is_left = progress.HasField("next_position")
        self._next_position = progress.next_position if is_left else None
        rate = progress.hashes_per_second
        hashes = progress.hashes_computed
        probability = hit_probability(self._search.name, self._search.ideal_distance)
        report = Report(
            hashes=hashes,
            next_position=self._next_position,
            rate=rate if math.isfinite(rate) else 0.0,
            best=best,
            chance=chance_of_hit(probability, hashes),
        )
        self._output.report(report)
        self._status.report(report, self._seconds())

    def _take_result(self, response: HashNameResponse) -> None:
        result = self._verifier.result(response)
        is_ideal = result.distance <= self._search.ideal_distance
        seconds = self._seconds()
        rate = None
        # Only a server that tells positions searches them all in order.
        if response.HasField("position"):
            rate = (result.position + 1 - self._search.first_position) / seconds
            self._next_position = result.position + 1
        self._status.clear()
        self._output.find(Find(result, is_ideal, seconds, rate))
        if is_ideal:
            self._ending = Ending(code=ExitCode.FOUND, sentence="", status="OK")
            self._give_up = seconds + GRACE

    def _show_end(self) -> None:
        ending = self._ending
        if ending is not None and ending.code != ExitCode.BROKEN_PIPE:
            self._status.say(ending.sentence, ending.advice)
            self._output.end(ending)

    def _interrupted(self, signum: int) -> Ending:
        search, position = self._search, self._next_position
        return Ending(
            code=ExitCode(of_signal(signum)),
            sentence="Cancelled.",
            advice=resume_advice(search, position) or progress_advice(search),
            next_position=position,
        )

    def _stop(self, ending: Ending) -> None:
        """Cancel the RPC; it has `GRACE` to end. The first ending counts."""
        self._ending = self._ending or ending
        self._give_up = self._seconds() + GRACE
        self._cancel()

    def _cancel(self) -> None:
        self._was_cancelled = True
        self._call.cancel()

    def _seconds(self) -> float:
        return time.monotonic() - self._started
