"""The drain, step by step, on a loop of virtual time."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from hashfinder.domain.errors import HashFinderError
from hashfinder.lifecycle import DrainTimes, Lifecycle, State
from tests.unit.virtual_time import FakeClock, now, run

FOREVER = 10**6
SIGNALS = (signal.SIGINT, signal.SIGTERM)
TIMES = DrainTimes(delay=3, grace=10, margin=2)


class FakeServer:
    """Records the calls of a drain, and their times."""

    def __init__(self, searches_end: float = 0, told_after: float = 0) -> None:
        """Set when searches end by themselves, and how long stopped ones take."""
        self.calls: list[tuple[str, float]] = []
        self.searches_end = searches_end
        self.told_after = told_after
        self.hanging: set[str] = set()
        self.state: Callable[[], State] = lambda: State.SERVING
        self.states: list[State] = []
        self.called = asyncio.Event()

    async def note(self, call: str) -> None:
        """Record a call, and hang where the test wants it."""
        self.calls.append((call, now()))
        self.states.append(self.state())
        self.called.set()
        if call in self.hanging:
            await asyncio.sleep(FOREVER)

    async def refuse_traffic(self) -> None:
        """Record the call."""
        await self.note("refuse_traffic")

    def refuse_searches(self) -> None:
        """Record the call."""
        self.calls.append(("refuse_searches", now()))

    async def searches_ended(self) -> None:
        """Return when all searches have ended."""
        await asyncio.sleep(self.searches_end - now())

    def stop_searches(self) -> None:
        """Record the call; searches end a little later."""
        self.calls.append(("stop_searches", now()))
        self.searches_end = now() + self.told_after

    async def stop_serving(self) -> None:
        """Record the call."""
        await self.note("stop_serving")

    def release(self) -> None:
        """Record the call."""
        self.calls.append(("release", now()))


def drained(server: FakeServer, times: DrainTimes = TIMES) -> Lifecycle:
    """Drain a server that is asked to stop at 0 s."""

    async def scenario() -> Lifecycle:
        lifecycle = Lifecycle(server, times)
        server.state = lambda: lifecycle.state
        lifecycle.ask_to_stop()
        await lifecycle.run()
        return lifecycle

    return run(scenario())


def test_states_follow_each_other() -> None:
    """The states are starting, serving until asked to stop, draining, stopped."""

    async def scenario() -> None:
        server = FakeServer()
        lifecycle = Lifecycle(server, TIMES)
        server.state = lambda: lifecycle.state
        states = [lifecycle.state]
        running = asyncio.create_task(lifecycle.run())
        await asyncio.sleep(1000)
        states.append(lifecycle.state)
        assert 0 == len(server.calls)
        lifecycle.ask_to_stop()
        lifecycle.ask_to_stop()  # asking twice is the same as once
        await running
        states.append(lifecycle.state)
        assert [State.STARTING, State.SERVING, State.STOPPED] == states
        assert {State.DRAINING} == set(server.states)

    run(scenario())


def test_drain_of_an_idle_server_waits_for_load_balancers_and_late_clients_alone() -> None:
    """Late searches are refused for half a second before the port closes."""
    server = FakeServer()
    drained(server)
    assert [
        ("refuse_traffic", 0),
        ("refuse_searches", 3),
        ("stop_serving", 3.5),
        ("release", 3.5),
    ] == server.calls


def test_drain_does_not_wait_longer_than_its_searches() -> None:
    """None of them is stopped."""
    server = FakeServer(searches_end=7)
    drained(server)
    assert [("stop_serving", 7), ("release", 7)] == server.calls[2:]


def test_searches_that_outlive_the_grace_are_stopped_with_a_reason() -> None:
    """Their clients get their status before the connections close."""
    server = FakeServer(searches_end=FOREVER, told_after=0.5)
    drained(server)
    assert [
        ("refuse_traffic", 0),
        ("refuse_searches", 3),
        ("stop_searches", 13),
        ("stop_serving", 13.5),
        ("release", 13.5),
    ] == server.calls


def test_searches_that_do_not_end_when_stopped_are_cut_off() -> None:
    """They are cut off after the margin."""
    server = FakeServer(searches_end=FOREVER, told_after=FOREVER)
    drained(server)
    assert [("stop_searches", 13), ("stop_serving", 15), ("release", 15)] == server.calls[2:]


def test_without_delay_and_grace_everything_happens_at_once() -> None:
    """Searches are stopped at once."""
    server = FakeServer(searches_end=FOREVER)
    drained(server, DrainTimes(delay=0, grace=0, margin=2))
    assert [
        ("refuse_traffic", 0),
        ("refuse_searches", 0),
        ("stop_searches", 0),
        ("stop_serving", 0),
        ("release", 0),
    ] == server.calls


def test_cap_holds_all_steps_of_the_slowest_drain() -> None:
    """The cap covers delay, grace, and three times the margin."""
    assert 3 + 10 + 3 * 2 == TIMES.cap


def test_failure_drains_and_is_raised_when_it_has() -> None:
    """The first failure is raised, as it may cause later ones. The state is never "stopped"."""

    async def scenario() -> None:
        server = FakeServer()
        lifecycle = Lifecycle(server, TIMES)
        lifecycle.fail(HashFinderError("first"))
        lifecycle.fail(HashFinderError("second"))
        with pytest.raises(HashFinderError, match="first"):
            await lifecycle.run()
        assert "release" == server.calls[-1][0]
        assert State.DRAINING == lifecycle.state

    run(scenario())


def test_drain_with_searches_at_their_slowest_stays_below_the_hard_cap() -> None:
    """There is time left to join the workers."""
    server = FakeServer(searches_end=FOREVER, told_after=FOREVER)
    assert State.STOPPED == drained(server).state
    assert 19 - 4 == server.calls[-1][1]


class Signalled:
    """A lifecycle that handles the process's signals, and what it does."""

    def __init__(self) -> None:
        """Install the signal handlers in the test's process."""
        self.clock = FakeClock()
        self.server = FakeServer()
        self.server.hanging.add("refuse_traffic")
        self.limits: list[float] = []
        self.exits: list[int] = []
        self.lifecycle = Lifecycle(self.server, TIMES, self.clock)
        self.lifecycle.take_signals(self.limits.append, self.exits.append)


@pytest.fixture
async def signalled() -> AsyncIterator[Signalled]:
    """Yield a running lifecycle; restore the signal handlers afterwards."""
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    signalled = Signalled()
    running = asyncio.create_task(signalled.lifecycle.run())
    yield signalled
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
async def test_first_signal_drains_and_a_later_one_exits_at_once(
    first: signal.Signals, second: signal.Signals, signalled: Signalled
) -> None:
    """The exit code is 128 + the signal's number, as shells report it."""
    signal.raise_signal(first)
    await signalled.server.called.wait()
    assert State.DRAINING == signalled.lifecycle.state
    assert [] == signalled.exits
    signalled.clock.now += 0.21
    signal.raise_signal(second)
    assert [128 + second] == signalled.exits


async def test_signals_within_a_moment_are_one(signalled: Signalled) -> None:
    """One Ctrl-C may arrive twice, from the terminal and from a wrapper that forwards it."""
    for step in (0, 0.005, 0, 0.1, 0.09):
        signalled.clock.now += step
        for signum in SIGNALS:
            signal.raise_signal(signum)
    assert [] == signalled.exits
    signalled.clock.now += 0.02
    signal.raise_signal(signal.SIGINT)
    assert [130] == signalled.exits


async def test_signal_limits_the_drain_before_the_loop_runs(signalled: Signalled) -> None:
    """The hard limit works even if the event loop hangs."""
    signal.raise_signal(signal.SIGTERM)
    assert [TIMES.cap] == signalled.limits
    assert [] == signalled.server.calls


async def test_drain_that_no_signal_asked_for_is_limited_too(signalled: Signalled) -> None:
    """A drain after a failure has the same hard limit."""
    signalled.lifecycle.fail(HashFinderError("broken"))
    await signalled.server.called.wait()
    assert [TIMES.cap] == signalled.limits


async def test_end_of_stdin_drains_within_the_same_limit(signalled: Signalled) -> None:
    """The thread that reads stdin starts it, in case the event loop hangs."""
    await asyncio.to_thread(signalled.lifecycle.stdin_ended)
    assert TIMES.cap == signalled.limits[0]
    await signalled.server.called.wait()
    assert State.DRAINING == signalled.lifecycle.state
    assert [] == signalled.exits
