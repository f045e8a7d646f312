"""Shows a search from its start to its end, on stdout and stderr.

Over 250 lines, since every way in which a search ends leads through here.
"""

import asyncio
import errno
import os
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TextIO, cast

import grpc

from hashfinder_cli.commands.loop import wait_until_writable
from hashfinder_cli.exit_codes import ExitCode, of_signal
from hashfinder_cli.search import Search
from hashfinder_cli.state.keeper import Keeper
from hashfinder_cli.streams import OutputError, reader_is_gone
from hashfinder_cli.succession import Succession
from hashfinder_cli.view import result_file
from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.estimates import of_chance, one_line
from hashfinder_cli.view.explanations import explain, explain_pause, progress_advice, resume_advice
from hashfinder_cli.view.json_lines import Finding
from hashfinder_cli.view.results import Output
from hashfinder_cli.view.status_line import REFRESH, StatusLine
from hashfinder_client.channel import LINGER
from hashfinder_client.errors import OutdatedServerError, StoppedError, VerificationError
from hashfinder_client.estimation import PATIENCE, estimate_async
from hashfinder_client.events import Match, Pause, Progress, SearchEvent
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.search_runner import SearchRunner


class Driver:
    """Shows what a search does, and decides when it is over."""

    def __init__(
        self,
        succession: Succession,
        channel: RenewableChannel[grpc.aio.Channel],
        stdout: TextIO,
        output: Output,
        status: StatusLine,
        keeper: Keeper | None,
    ) -> None:
        """Show the searches of `succession` as they go.

        Args:
            succession: what is searched, perhaps begun by an earlier process.
            channel: to the server; remains the caller's.
            stdout: what `output` writes to.
            output: gets the results.
            status: gets what is for a person.
            keeper: keeps how far the search has come; None where no file is for it.
        """
        self._succession = succession
        self._stdout = stdout
        self._output = output
        self._status = status
        self._channel = channel
        self._keeper = keeper
        self._runner = self._next_runner()
        self._started = time.monotonic()
        self._ideal: Finding | None = None
        self._is_showing = False
        """Whether something that the search has returned is not shown yet."""

    async def run(self, stop: asyncio.Future[int]) -> ExitCode:
        """Search until that ends, a signal comes out of `stop` or the reader leaves; show why."""
        following = asyncio.create_task(self._follow())
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait((following, watching, stop), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                ending = following.result()
            else:
                ending = self._interrupted(stop.result()) if stop.done() else watching.result()
        finally:
            following.cancel()
            watching.cancel()
        await asyncio.wait((following, watching))
        if await self._runner.close():
            await asyncio.sleep(LINGER)
        return await self._show_end(replace(ending, kernel=self._runner.kernel))

    async def _follow(self) -> Ending:
        """Show all that happens; return how the search ended by itself."""
        try:
            await self._continue()
            while not self._succession.is_complete:
                if (ending := await self._follow_search()) is not None:
                    return ending
        except StoppedError as error:
            ending = explain(error, self._search)
            return replace(ending, sentence=self._count_sentence() + ending.sentence)
        except VerificationError as error:
            sentence = f"The server at {self._search.server} sent an invalid result: {error}."
            return Ending(code=ExitCode.UNTRUE, sentence=sentence)
        except OutputError as error:
            return _unwritten(error)
        return Ending(code=ExitCode.FOUND, sentence="", status="OK")

    async def _continue(self) -> None:
        """Show what an earlier process has found, where one has begun the search, and an estimate.

        Raises:
            OutdatedServerError: the server does not know all of the search.
        """
        for match in self._succession.found:
            await self._show(match, is_known=True)
        for event in self._succession.held_back:
            await self._show(event)
        if self._succession.is_over:
            self._status.say("This search has already ended: nothing is searched again.")
            return
        if self._succession.is_continued:
            self._status.say(f"Resuming from position {self._succession.current.next_position}.")
        await self._estimate()

    async def _estimate(self) -> None:
        """Check that the server supports the search; show a person an estimate.

        A person watches a terminal, or asks for progress.

        Raises:
            OutdatedServerError: it does not.
        """
        query = self._search.query
        is_shown = self._status.is_animated or self._search.shows_lines_of_progress
        if query.is_classic and not is_shown:
            return
        timeout = min(self._search.limits.timeout or PATIENCE, PATIENCE)
        try:
            estimate = await estimate_async(self._channel, query, timeout)
        except OutdatedServerError:
            if not query.is_classic:
                raise
            estimate = of_chance(query.chance)
        except StoppedError:
            return  # The search meets it as well, and may try again.
        if is_shown:
            self._status.say(one_line(estimate))

    async def _follow_search(self) -> Ending | None:
        """Show all that happens until the ideal match; return the end if there can be no next."""
        if self._succession.is_exhausted:
            sentence = self._count_sentence() + "Nothing is left to search."
            return Ending(code=ExitCode.BUDGET_SPENT, sentence=sentence)
        async with aclosing(self._runner.events()) as events:
            async for event in events:
                await self._show(event)
        search = self._succession.current
        self._succession.advance(cast("Match", search.found), self._seconds())
        self._keep(at_once=True)
        if self._succession.is_over:
            return None
        if search.next_position is None:  # It would begin at the first one again.
            sentence = (
                f"The server at {self._search.server} reports no positions, which --count needs."
            )
            return Ending(code=ExitCode.FAULT, sentence=self._count_sentence() + sentence)
        await self._runner.close()
        self._runner = self._next_runner()
        return None

    def _next_runner(self) -> SearchRunner:
        search = self._succession.current
        return SearchRunner(self._channel, search, streams=self._search.streams)

    @property
    def _search(self) -> Search:
        """What is left of what was asked for, once there are matches."""
        return self._succession.search

    def _count_sentence(self) -> str:
        """Return how many were found, of several; nothing before the first."""
        found, count = len(self._succession.found), self._succession.asked.wanted.count
        return f"Found {found} of {count}. " if found and count > 1 else ""

    async def _watch(self) -> Ending:
        """Keep the status line moving; return once the reader of the results has left."""
        try:
            while not reader_is_gone(self._stdout):
                self._status.tick(self._seconds())
                await asyncio.sleep(REFRESH)
        except OutputError as error:
            return _unwritten(error)
        return _unwritten(OutputError(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))))

    async def _show(self, event: SearchEvent, *, is_known: bool = False) -> None:
        """Show an event; `is_known` marks an ideal match of an earlier process."""
        self._is_showing = True
        match event:
            case Progress():
                await wait_until_writable(self._stdout.fileno())
                self._output.report(event)
                self._status.report(event, self._seconds())
            case Pause():
                self._status.say(explain_pause(event, self._search))
            case Match():
                self._status.clear()
                await wait_until_writable(self._stdout.fileno())
                is_ideal = is_known or event is self._succession.current.found
                self._output.result(self._finding(event, is_ideal=is_ideal))
        self._is_showing = False
        if not isinstance(event, Match):  # Of several results at once, the others come now.
            self._keep()

    def _finding(self, match: Match, *, is_ideal: bool) -> Finding:
        succession = self._succession
        seconds = self._seconds()
        rate = None
        # Only a server that reports positions searches them all in order; only one process does.
        is_whole = self._search.ranges.shard is None and not succession.is_continued
        if is_whole and succession.current.next_position is not None:
            rate = (match.position + 1 - succession.asked.query.first_position) / seconds
        finding = Finding(self._search.query, match, is_ideal, seconds, rate)
        if is_ideal:
            self._ideal = finding
        return finding

    def _keep(self, *, at_once: bool = False) -> None:
        """Save the progress in the state file, if there is one: at intervals, or `at_once`."""
        if self._keeper is None:
            return
        error = self._keeper.save_if_due(self._succession.record, at_once=at_once)
        if error is not None:
            self._status.say(
                f"Cannot write {self._search.kept.state}: {error.strerror}. The search continues."
            )

    def _interrupted(self, signum: int) -> Ending:
        position = self._succession.current.next_position
        if position is None and self._search is not self._succession.asked:
            position = self._search.query.first_position
        return Ending(
            code=ExitCode(of_signal(signum)),
            sentence=self._count_sentence() + "Cancelled.",
            advice=resume_advice(self._search, position) or progress_advice(self._search),
            next_position=position,
        )

    async def _show_end(self, ending: Ending) -> ExitCode:
        """Write the end wherever it is asked for; return the exit code that this makes it."""
        ending = result_file.write_end(
            self._search.shown.result_file, self._ideal, self._keep_end(ending)
        )
        if ending.code == ExitCode.BROKEN_PIPE:
            return ending.code
        try:
            await wait_until_writable(self._stdout.fileno())
            self._output.end(ending)
        except OutputError as error:
            if ending.code not in {ExitCode.INTERRUPTED, ExitCode.TERMINATED}:
                ending = _unwritten(error)
        self._status.say(ending.sentence, ending.advice)
        return ending.code

    def _keep_end(self, ending: Ending) -> Ending:
        # What is not shown yet must be found again.
        if self._keeper is None or self._is_showing:
            return ending
        try:
            self._keeper.save(self._succession.record())
        except OSError as error:
            sentence = f"Cannot write {self._search.kept.state}: {error.strerror}."
            sentence = "\n".join(filter(None, [ending.sentence, sentence]))
            return replace(ending, sentence=sentence, advice="")
        return ending

    def _seconds(self) -> float:
        return time.monotonic() - self._started


def _unwritten(error: OutputError) -> Ending:
    sentence = f"Cannot write the results: {error.reason}." if error.reason else ""
    return Ending(code=error.code, sentence=sentence)
