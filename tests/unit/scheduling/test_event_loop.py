"""The event loop with a background: who goes first, for how long, and what a reader is asked."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Any

import pytest

from hashfinder.domain.errors import TimeLimitReachedError
from hashfinder.domain.query import Query
from hashfinder.scheduling.admission import Admission, Limits
from hashfinder.scheduling.event_loop import (
    READS_IN_A_TURN,
    SLICE_SECONDS,
    PromptEventLoop,
    enter_background,
    foreground,
)
from hashfinder.scheduling.quota import Quota
from hashfinder.scheduling.scheduler import Scheduler
from hashfinder.scheduling.session import SearchRequest, SearchService
from tests.unit.scheduling.gate_kernel import GateKernel, Scanning
from tests.unit.scheduling.nobody import Nobody
from tests.unit.virtual_time import FakeClock

TURNS = 20
"""More iterations of the loop than any test here needs to come to its end."""


class FakeTimeLoop(PromptEventLoop):
    """Has the time of its slices for its timers as well."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take the clock of both."""
        self._now = clock
        super().__init__(clock)

    def time(self) -> float:
        """Return the time in seconds."""
        return self._now()


class Scene:
    """A loop whose slices a test measures out, and what has run on it."""

    def __init__(self) -> None:
        """Begin with nothing to run."""
        self.clock = FakeClock()
        self.loop = FakeTimeLoop(self.clock)
        self.ran: list[str] = []
        self.background = copy_context()
        self.background.run(enter_background)

    def step(self, name: str, seconds: float = 0.0) -> Callable[[], None]:
        """Return a callback that takes some time and leaves its name."""

        def run() -> None:
            self.clock.now += seconds
            self.ran.append(name)

        return run

    def soon(self, name: str, context: Context | None = None, seconds: float = 0.0) -> None:
        """Let the loop run such a callback; in the foreground where no context is given."""
        self.loop.call_soon(self.step(name, seconds), context=context)

    def turn(self) -> None:
        """Run one iteration of the loop."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def turns(self) -> None:
        """Run all there is to run."""
        for _ in range(TURNS):
            self.turn()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Return a loop; it is closed afterwards."""
    scene = Scene()
    yield scene
    scene.loop.close()


def test_foreground_goes_ahead_of_a_backlog(scene: Scene) -> None:
    """It waits for one slice at the most; each of the two keeps its own order."""
    for name in ("b1", "b2", "b3"):
        scene.soon(name, scene.background, SLICE_SECONDS)
    scene.turn()
    assert ["b1"] == scene.ran
    for name in ("f1", "f2"):
        scene.soon(name)
    scene.turns()
    after_news = [name for name in scene.ran if name != "b1"]
    assert ["b2", "f1", "f2", "b3"] == after_news


def test_slice_ends_by_the_clock(scene: Scene) -> None:
    """With the step in which its time is over."""
    for n in range(6):
        scene.soon(f"b{n}", scene.background, SLICE_SECONDS / 2)
    scene.turn()
    assert ["b0", "b1"] == scene.ran
    scene.turn()
    assert ["b0", "b1", "b2", "b3"] == scene.ran


def test_quick_steps_share_a_slice_and_what_they_make_ready_has_the_next(scene: Scene) -> None:
    """So that the loop looks for news in between."""

    def again() -> None:
        scene.ran.append("first")
        scene.soon("second", scene.background)

    scene.loop.call_soon(again, context=scene.background)
    scene.soon("beside", scene.background)
    scene.turn()
    assert ["first", "beside"] == scene.ran
    scene.turn()
    assert ["first", "beside", "second"] == scene.ran


def test_cancelled_steps_do_not_run(scene: Scene) -> None:
    """As in asyncio's own loop: nor do they fail."""
    told: list[dict[str, Any]] = []
    scene.loop.set_exception_handler(lambda _loop, context: told.append(context))
    scene.soon("b1", scene.background)
    scene.loop.call_soon(scene.step("never"), context=scene.background).cancel()
    scene.soon("b2", scene.background)
    scene.turns()
    assert ["b1", "b2"] == scene.ran
    assert [] == told


def test_steps_keep_their_context(scene: Scene) -> None:
    """That given, or else a copy of the current one."""
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
    """For callbacks that must not wait; the other variables stay."""
    variable = ContextVar("variable", default="unset")
    own = scene.background.copy()
    own.run(variable.set, "kept")
    ahead = own.run(foreground)
    assert "kept" == ahead[variable]
    for name in ("b1", "b2"):
        scene.soon(name, own, SLICE_SECONDS)
    scene.soon("ahead", ahead)
    scene.turns()
    assert ["b1", "ahead", "b2"] == scene.ran


def test_fault_of_a_step_goes_to_the_handler_of_the_loop(scene: Scene) -> None:
    """The other steps run."""
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
def test_steps_are_left_by_an_end_of_the_program(scene: Scene, end: type[BaseException]) -> None:
    """What cleans up on the same loop afterwards runs them."""

    def leave() -> None:
        raise end

    scene.loop.call_soon(leave, context=scene.background)
    scene.soon("b", scene.background)
    with pytest.raises(end):
        scene.turns()
    assert [] == scene.ran
    scene.turns()
    assert ["b"] == scene.ran


def test_closed_loop_takes_nothing(scene: Scene) -> None:
    """Also where a slice was due."""
    scene.soon("b", scene.background)
    scene.loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        scene.soon("b", scene.background)


def test_task_enters_the_background_with_all_it_begins(scene: Scene) -> None:
    """From its next wait on. Others stay where they are."""

    async def child() -> None:
        scene.clock.now += SLICE_SECONDS
        scene.ran.append("child")

    async def parent() -> None:
        enter_background()
        children = [asyncio.create_task(child()) for _ in range(3)]
        asyncio.get_running_loop().call_soon_threadsafe(scene.step("news"))
        await asyncio.gather(*children)

    scene.loop.run_until_complete(parent())
    assert ["child", "news", "child", "child"] == scene.ran


class Wire:
    """A socket with something to read, and a reader that takes a byte at a time."""

    def __init__(self, scene: Scene, size: int) -> None:
        """Send `size` bytes."""
        self.scene = scene
        self.reads = 0
        self.near, far = socket.socketpair()
        self.near.settimeout(0)
        with far:
            far.sendall(bytes(size))
        self.on_read: Callable[[], object] = lambda: None

    def read(self) -> None:
        """Take a byte."""
        if self.near.recv(1):
            self.reads += 1
            self.on_read()
        else:
            self.scene.loop.remove_reader(self.near)


@pytest.fixture
def wire(scene: Scene) -> Iterator[Callable[[int], Wire]]:
    """Connect readers to the loop; they are disconnected afterwards."""
    wires: list[Wire] = []

    def connect(size: int) -> Wire:
        wires.append(Wire(scene, size))
        scene.loop.add_reader(wires[-1].near, wires[-1].read)
        return wires[-1]

    yield connect
    for each in wires:
        scene.loop.remove_reader(each.near)
        each.near.close()


def test_reader_reads_all_there_is_in_a_turn(scene: Scene, wire: Callable[[int], Wire]) -> None:
    """And not a byte more: it would wait, or fail, where there is none."""
    some = wire(7)
    scene.turn()
    assert 7 == some.reads


def test_reader_leaves_a_turn_to_others(scene: Scene, wire: Callable[[int], Wire]) -> None:
    """However much there is to read."""
    much = wire(READS_IN_A_TURN + 3)
    scene.turn()
    assert READS_IN_A_TURN == much.reads
    scene.turn()
    assert READS_IN_A_TURN + 3 == much.reads


def test_reader_may_be_removed_while_it_reads(scene: Scene, wire: Callable[[int], Wire]) -> None:
    """It is called no more."""
    some = wire(7)
    some.on_read = lambda: scene.loop.remove_reader(some.near)
    scene.turns()
    assert 1 == some.reads
    assert not scene.loop.remove_reader(some.near)


def test_reader_may_be_replaced_while_it_reads(scene: Scene, wire: Callable[[int], Wire]) -> None:
    """The new one reads the rest, with its arguments."""
    some = wire(7)
    rest: list[tuple[str, bytes]] = []

    def read(name: str) -> None:
        rest.append((name, some.near.recv(1)))
        if len(rest) == 6:
            scene.loop.remove_reader(some.near.fileno())

    some.on_read = lambda: scene.loop.add_reader(some.near.fileno(), read, "new")
    scene.turns()
    assert 1 == some.reads
    assert [("new", b"\0")] * 6 == rest


class Searching:
    """One search, for at most a second, by a task in the background."""

    def __init__(self, scene: Scene) -> None:
        """Take whose loop it is that the task will run on."""
        self.scene = scene
        self.kernel = GateKernel()
        quota = Quota(0, 1, scene.clock)
        self.scheduler = Scheduler(self.kernel, 1, quota, Nobody(), chunk_seconds=0.001)
        limits = Limits(searches=1, searches_per_client=1, waiting=0, wait_seconds=0)
        self.admission = Admission(limits, lambda _client: 0.0, 0, lambda: 0.0)
        self._service = SearchService(self.admission, self.scheduler, maximum_seconds=1)

    async def begin(self) -> tuple[asyncio.Task[None], Scanning]:
        """Return the task, and its scan."""
        task = asyncio.create_task(self._search())
        return task, await asyncio.to_thread(self.kernel.next)

    async def _search(self) -> None:
        enter_background()
        await asyncio.sleep(0)
        request = SearchRequest(Query("forever", 0), 0, 10**15)
        async with self._service.open("client", request) as session:
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
    """Its scan is halted while the task waits behind others for its turn to end."""

    async def scenario() -> None:
        task, scanning = await searching.begin()
        for _ in range(TURNS):
            scene.soon("other", scene.background, SLICE_SECONDS)
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
    """Where it passes while the task still waits for its turn."""

    async def scenario() -> None:
        task, _ = await searching.begin()
        for _ in range(TURNS):
            scene.soon("other", scene.background, 2.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 == searching.admission.taken

    scene.loop.run_until_complete(scenario())


def test_time_limit_is_told_where_it_came_first(scene: Scene, searching: Searching) -> None:
    """Though it cancels the task too, which then waits for its turn."""

    async def scenario() -> None:
        task, scanning = await searching.begin()
        for _ in range(TURNS):
            scene.soon("other", scene.background, 2.0)
        with pytest.raises(TimeLimitReachedError):
            await task
        assert scanning.halted
        assert 0 == searching.admission.taken

    scene.loop.run_until_complete(scenario())
