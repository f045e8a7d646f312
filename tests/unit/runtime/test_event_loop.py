"""The event loop with foreground and background, and gRPC's wake-ups."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any
from unittest.mock import patch

import grpc
import pytest

from hashfinder.domain.errors import TimeLimitReachedError
from hashfinder.domain.outcome import Outcome
from hashfinder.domain.request import SearchRequest
from hashfinder.runtime.background import background, enter_background, foreground
from hashfinder.runtime.event_loop import (
    POLL_SECONDS,
    PromptEventLoop,
    is_prompt,
    new_event_loop,
    takes_events_of_grpc,
)
from hashfinder.scheduling.admission import Admission, Limits
from hashfinder.scheduling.scheduler import Scheduler
from hashfinder.scheduling.session import SearchService
from hashfinder_rules.query import Query
from tests.unit.scheduling.allowances import allow
from tests.unit.scheduling.gate_kernel import GateKernel, Scanning
from tests.unit.scheduling.null_observer import NullObserver
from tests.unit.virtual_time import FakeClock

TURNS = 20
"""More iterations of the loop than any test needs."""


class FakeTimeLoop(PromptEventLoop):
    """A loop with its own time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Store the clock of its timers."""
        self._now = clock
        super().__init__()

    def time(self) -> float:
        """Return the time in seconds."""
        return self._now()


class Scene:
    """A loop whose time a test sets; records what has run."""

    def __init__(self) -> None:
        """Start with nothing to run."""
        self.clock = FakeClock()
        self.loop = FakeTimeLoop(self.clock)
        self.ran: list[str] = []
        self.background = copy_context()
        self.background.run(enter_background, "group")

    def step(self, name: str, seconds: float = 0.0) -> Callable[[], None]:
        """Return a callback that takes some time and records its name."""

        def run() -> None:
            self.clock.now += seconds
            self.ran.append(name)

        return run

    def soon(self, name: str, context: Context | None = None, seconds: float = 0.0) -> None:
        """Schedule such a callback, in the foreground without a context."""
        self.loop.call_soon(self.step(name, seconds), context=context)

    def turn(self, seconds: float = POLL_SECONDS) -> None:
        """Run one iteration of the loop, so long after the one before."""
        self.clock.now += seconds
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def turns(self) -> None:
        """Run until nothing is left to run."""
        for _ in range(TURNS):
            self.turn()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Return a loop; close it afterwards."""
    scene = Scene()
    yield scene
    scene.loop.close()


def test_foreground_goes_ahead_of_a_backlog(scene: Scene) -> None:
    """It waits for at most one background step; each of the two keeps its own order."""
    for name in ("b1", "b2", "b3"):
        scene.soon(name, scene.background)
    scene.turn()
    assert ["b1"] == scene.ran
    for name in ("f1", "f2"):
        scene.soon(name)
    scene.turns()
    after_news = [name for name in scene.ran if name != "b1"]
    assert ["b2", "f1", "f2", "b3"] == after_news


def test_background_step_waits_for_the_whole_foreground(scene: Scene) -> None:
    """This includes foreground callbacks that a step itself makes ready."""

    def again() -> None:
        scene.ran.append("first")
        scene.soon("last")
        scene.soon("ahead", foreground())

    scene.loop.call_soon(again, context=scene.background)
    scene.soon("beside", scene.background)
    scene.turn()
    assert ["first"] == scene.ran
    scene.turns()
    assert ["first", "ahead", "beside", "last"] == scene.ran


def test_steps_go_on_alone_until_it_is_time_to_look_for_events(scene: Scene) -> None:
    """A turn for each would cost as much again."""
    scene.loop.call_soon(scene.loop.stop, context=scene.background)
    for name in ("b1", "b2", "b3"):
        scene.soon(name, scene.background, 0.6 * POLL_SECONDS)
    scene.loop.run_forever()
    assert ["b1", "b2"] == scene.ran
    scene.turns()
    assert ["b1", "b2", "b3"] == scene.ran


def test_cancelled_steps_do_not_run(scene: Scene) -> None:
    """As in asyncio's own loop, they do not fail either."""
    told: list[dict[str, Any]] = []
    scene.loop.set_exception_handler(lambda _loop, context: told.append(context))
    scene.soon("b1", scene.background)
    scene.loop.call_soon(scene.step("never"), context=scene.background).cancel()
    scene.soon("b2", scene.background)
    scene.turns()
    assert ["b1", "b2"] == scene.ran
    assert [] == told


def test_steps_keep_their_context(scene: Scene) -> None:
    """The given context, or else a copy of the current one."""
    variable = ContextVar("variable", default="unset")
    seen: list[str] = []

    def look() -> None:
        seen.append(variable.get())

    def begin() -> None:
        variable.set("copied")
        scene.loop.call_soon(look)
        variable.set("too late")

    given = scene.background.copy()
    given.run(variable.set, "given")
    scene.loop.call_soon(look, context=given)
    scene.loop.call_soon(begin, context=scene.background.copy())
    scene.turns()
    assert ["given", "copied"] == seen


def test_foreground_is_kept_in_the_background(scene: Scene) -> None:
    """This is for callbacks that must not wait; other context variables are kept."""
    variable = ContextVar("variable", default="unset")
    own = scene.background.copy()
    own.run(variable.set, "kept")
    ahead = own.run(foreground)
    assert "kept" == ahead[variable]
    for name in ("b1", "b2"):
        scene.soon(name, own)
    scene.soon("ahead", ahead)
    scene.turns()
    assert ["b1", "ahead", "b2"] == scene.ran


def test_fault_of_a_step_goes_to_the_handler_of_the_loop(scene: Scene) -> None:
    """The other steps still run."""
    fault = RuntimeError("broken")
    told: list[dict[str, Any]] = []
    scene.loop.set_exception_handler(lambda _loop, context: told.append(context))

    def fail() -> None:
        raise fault

    scene.loop.call_soon(fail, context=scene.background)
    scene.soon("b", scene.background)
    scene.turns()
    assert [fault] == [context["exception"] for context in told]
    assert ["b"] == scene.ran


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_exit_of_the_program_interrupts_the_steps(scene: Scene, end: type[BaseException]) -> None:
    """Clean-up on the same loop runs the remaining steps."""

    def leave() -> None:
        raise end

    scene.loop.call_soon(leave, context=scene.background)
    scene.soon("b", scene.background)
    with pytest.raises(end):
        scene.turns()
    assert [] == scene.ran
    scene.turns()
    assert ["b"] == scene.ran


def test_closed_loop_refuses_callbacks(scene: Scene) -> None:
    """Even if a step was due."""
    scene.soon("b", scene.background)
    scene.loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        scene.soon("b", scene.background)


def test_clients_take_turns(scene: Scene) -> None:
    """A client with few steps gets one within a round, however many another client has."""
    many, one = scene.background.copy(), scene.background.copy()
    many.run(enter_background, "group", "many")
    one.run(enter_background, "group", "one")
    for name in ("m1", "m2", "m3", "m4"):
        scene.soon(name, many)
    for name in ("o1", "o2"):
        scene.soon(name, one)
    scene.turns()
    assert ["m1", "o1", "m2", "o2", "m3", "m4"] == scene.ran


def test_groups_do_not_wait_for_each_other(scene: Scene) -> None:
    """Each group has one step per turn, however many the other has."""
    other = scene.background.copy()
    other.run(enter_background, "other", "client")
    for name in ("b1", "b2", "b3"):
        scene.soon(name, scene.background)
    scene.soon("o1", other)
    scene.turn()
    assert ["b1", "o1"] == scene.ran
    scene.soon("o2", other)
    scene.turn()
    assert ["b1", "o1", "b2", "o2"] == scene.ran
    scene.turns()
    assert ["b1", "o1", "b2", "o2", "b3"] == scene.ran


def test_servers_own_work_takes_no_share_of_a_client(scene: Scene) -> None:
    """What a client's RPC leaves to the server does not wait behind that client's other steps."""
    client = scene.background.copy()
    client.run(enter_background, "group", "client")
    for name in ("c1", "c2", "c3"):
        scene.soon(name, client)
    scene.soon("own", client.run(background, "group"))
    scene.turns()
    assert ["c1", "own", "c2", "c3"] == scene.ran


def test_loop_of_this_python_is_prompt() -> None:
    """If it fails, asyncio or gRPC has changed inside: the server then runs without fair shares."""

    async def connect() -> bool:
        async with grpc.aio.insecure_channel("127.0.0.1:1"):
            return is_prompt(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert isinstance(runner.get_loop(), PromptEventLoop)
        assert not is_prompt(runner.get_loop())
        assert runner.run(connect())


def test_server_falls_back_to_the_loop_of_asyncio() -> None:
    """If a handle can no longer be made, for example; that loop has no background."""
    with patch("asyncio.Handle", side_effect=TypeError):
        loop = new_event_loop()
    assert not isinstance(loop, PromptEventLoop)
    assert not is_prompt(loop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_task_enters_the_background_with_all_it_begins(scene: Scene) -> None:
    """From its next wait on; other tasks are not affected."""

    async def child() -> None:
        scene.ran.append("child")

    async def parent() -> None:
        enter_background("group")
        children = [asyncio.create_task(child()) for _ in range(3)]
        asyncio.get_running_loop().call_soon_threadsafe(scene.step("news"))
        await asyncio.gather(*children)

    scene.loop.run_until_complete(parent())
    assert ["child", "news", "child", "child"] == scene.ran


class Wire:
    """A socket with something to read."""

    def __init__(self, size: int) -> None:
        """Send `size` bytes, each different from the one before."""
        self.near, self.far = socket.socketpair()
        self.near.settimeout(0)
        self.far.sendall(bytes(range(size)))
        self.read: list[bytes] = []

    def close(self) -> None:
        """Close both ends."""
        self.near.close()
        self.far.close()

    def read_byte(self, *_: object) -> None:
        """Read a byte."""
        self.read.append(self.near.recv(1))


class PollerCompletionQueue(Wire):
    """Like gRPC's, which handles a socket that has nothing to read."""

    def handle_events(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read a byte if there is one, and handle all events."""
        with suppress(BlockingIOError):
            self.read_byte(loop)
        self.read.append(b"events")


@pytest.fixture
def wire(scene: Scene) -> Iterator[Wire]:
    """Connect a reader that is not gRPC's to the loop."""
    wire = Wire(7)
    scene.loop.add_reader(wire.near, partial(wire.read_byte, scene.loop), "argument")
    yield wire
    scene.loop.remove_reader(wire.near)
    wire.close()


@pytest.fixture
def queue(scene: Scene) -> Iterator[PollerCompletionQueue]:
    """Connect a reader like gRPC's to the loop."""
    queue = PollerCompletionQueue(7)
    scene.loop.add_reader(queue.near, partial(queue.handle_events, scene.loop))
    yield queue
    scene.loop.remove_reader(queue.near)
    queue.close()


def test_reader_loses_nothing(scene: Scene, wire: Wire) -> None:
    """It reads what it wants from its file, as with any loop."""
    for _ in range(7):
        scene.turn()
    assert [bytes([n]) for n in range(7)] == wire.read


def test_busy_loop_looks_for_events_now_and_then(scene: Scene, wire: Wire) -> None:
    """Not at every turn, which would cost as much as the turn; but once the time has come."""
    scene.turn()
    assert [b"\0"] == wire.read
    for _ in range(3):
        scene.turn(seconds=POLL_SECONDS / 4)
        assert [b"\0"] == wire.read
    scene.turn(seconds=POLL_SECONDS / 4)
    assert [b"\0", b"\1"] == wire.read


def test_idle_loop_waits_for_events(scene: Scene, wire: Wire) -> None:
    """However soon after it has last looked."""

    def read_and_stop() -> None:
        wire.read_byte()
        scene.loop.stop()

    scene.turn()
    scene.loop.add_reader(wire.near, read_and_stop)
    scene.loop.run_forever()
    assert [b"\0", b"\1"] == wire.read


def test_wake_ups_of_grpc_are_drained_in_one_turn(
    scene: Scene, queue: PollerCompletionQueue
) -> None:
    """This makes room for more; gRPC's own reader reads the last one and handles the events."""
    scene.turn()
    assert [b"\x06", b"events"] == queue.read
    scene.loop.remove_reader(queue.near)
    with pytest.raises(BlockingIOError):
        queue.near.recv(1)


def test_wake_ups_drained_by_another_loop_are_no_error(
    scene: Scene, queue: PollerCompletionQueue
) -> None:
    """There may still be events."""
    scene.loop.call_soon(queue.near.recv, 7)
    scene.turn()
    assert [b"events"] == queue.read


async def test_reader_of_grpc_is_recognised() -> None:
    """In the installed version, by what it registers with the loop."""
    loop = asyncio.get_running_loop()
    with patch.object(loop, "add_reader", wraps=loop.add_reader) as add_reader:
        async with grpc.aio.insecure_channel("127.0.0.1:1"):
            [(file, reader)] = [call.args for call in add_reader.call_args_list]
    assert isinstance(file, socket.socket)
    assert takes_events_of_grpc(reader)


class Searching:
    """A search of at most a second, in a background task."""

    def __init__(self, scene: Scene) -> None:
        """Store the scene whose loop the task will run on."""
        self.scene = scene
        self.kernel = GateKernel()
        allowance_of = allow(searches=1, maximum_seconds=1)
        self.scheduler = Scheduler(
            self.kernel, 1, allowance_of, NullObserver(), chunk_seconds=0.001
        )
        limits = Limits(searches=1, waiting=0, wait_seconds=0)
        self.admission = Admission(limits, allowance_of, lambda _client: 0.0, lambda: 0.0)
        self._service = SearchService(self.admission, self.scheduler, allowance_of, foreground)

    async def begin(self) -> tuple[asyncio.Task[None], Scanning]:
        """Return the task and its scan."""
        task = asyncio.create_task(self._search())
        return task, await asyncio.to_thread(self.kernel.next)

    async def _search(self) -> None:
        enter_background("group")
        await asyncio.sleep(0)
        request = SearchRequest(Query("forever", 0), 0, 10**15)
        async with self._service.open("client", request, Outcome()) as session:
            try:
                await session.take()
            finally:
                self.scene.ran.append("task")


@pytest.fixture
def searching(scene: Scene) -> Iterator[Searching]:
    """Return a service with a worker."""
    searching = Searching(scene)
    searching.scheduler.start()
    yield searching
    searching.kernel.open()
    assert searching.scheduler.close(20)


def test_cancelled_search_stops_ahead_of_its_task(scene: Scene, searching: Searching) -> None:
    """Its scan is halted while the task still waits for its turn to end."""

    async def scenario() -> None:
        task, scanning = await searching.begin()
        for _ in range(TURNS):
            scene.soon("other", scene.background)
        task.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        assert scanning.halted
        assert 0 == searching.scheduler.statistics().active
        assert 1 == searching.admission.taken
        assert "task" not in scene.ran
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__cause__ is None
        assert 0 == searching.admission.taken

    scene.loop.run_until_complete(scenario())
    assert ["other"] * TURNS + ["task"] == scene.ran


def test_time_limit_does_not_count_after_a_cancel(scene: Scene, searching: Searching) -> None:
    """Even if it passes while the task still waits for its turn."""

    async def scenario() -> None:
        task, _ = await searching.begin()
        for _ in range(TURNS):
            scene.soon("other", scene.background, 2.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 == searching.admission.taken

    scene.loop.run_until_complete(scenario())


def test_time_limit_is_reported_where_it_came_first(scene: Scene, searching: Searching) -> None:
    """It cancels the task as well, which then waits for its turn."""

    async def scenario() -> None:
        task, scanning = await searching.begin()
        for _ in range(TURNS):
            scene.soon("other", scene.background, 2.0)
        with pytest.raises(TimeLimitReachedError):
            await task
        assert scanning.halted
        assert 0 == searching.admission.taken

    scene.loop.run_until_complete(scenario())
