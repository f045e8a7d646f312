"""The list of searches for operators, and how a waiting or running one is stopped."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from hashfinder.domain.errors import StoppedByOperatorError, StoppedError
from hashfinder.domain.progress import Progress
from hashfinder.domain.request import SearchRequest
from hashfinder.scheduling.registry import SearchRegistry, SearchState
from hashfinder_rules.query import Query

REQUEST = SearchRequest(Query("doctor"), 0, 1000)
PROGRESS = Progress(100, 100, 1.0, None)


class FakeSession:
    """A search with a slot."""

    def __init__(self, *, parked: bool = False) -> None:
        """Set whether its client has stopped reading."""
        self.parked = parked
        self.error: StoppedError | None = None

    def look(self) -> tuple[Progress, bool]:
        """Return its progress, and whether it is parked."""
        return PROGRESS, self.parked

    def revoke(self, error: StoppedError) -> None:
        """Keep the first error."""
        self.error = self.error or error


@pytest.fixture
def registry() -> SearchRegistry:
    """A registry at the time 7."""
    return SearchRegistry(lambda client: 3 if client == "heavy" else 1, lambda: 7.0)


@contextmanager
def running(registry: SearchRegistry, client: str, *, parked: bool = False) -> Iterator[str]:
    """Register a running search; yield its id."""
    with registry.register(client, REQUEST) as search:
        search.run(FakeSession(parked=parked))
        yield search.search_id


@asynccontextmanager
async def waiting(registry: SearchRegistry, client: str) -> AsyncIterator[asyncio.Task[None]]:
    """Register a search that waits for a slot, in a task."""

    async def wait() -> None:
        with registry.register(client, REQUEST):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    yield task
    task.cancel()
    await asyncio.wait({task})


async def test_list_has_every_search_the_oldest_first(registry: SearchRegistry) -> None:
    """With state, progress and share: clients have equal shares, divided among their searches."""
    with (
        running(registry, "a") as first,
        running(registry, "b") as second,
        running(registry, "b"),
        running(registry, "c", parked=True),
    ):
        async with waiting(registry, "a"):
            found = registry.snapshot()
            assert [first, second] == [each.search_id for each in found[:2]]
            assert ["a", "b", "b", "c", "a"] == [each.client for each in found]
            assert [0.5, 0.25, 0.25, 0.0, 0.0] == [each.share for each in found]
            states = [*[SearchState.RUNNING] * 3, SearchState.PARKED, SearchState.WAITING]
            assert states == [each.state for each in found]
            assert [PROGRESS] * 4 + [None] == [each.progress for each in found]
            assert {7.0} == {each.began for each in found}
            assert found[1:3] == registry.snapshot("b")
            assert [found[0].search_id, found[4].search_id] == registry.of_client("a")
    assert [] == registry.snapshot()


async def test_shares_follow_the_weights_of_clients(registry: SearchRegistry) -> None:
    """A client of weight 3 has three times the share of a client of weight 1."""
    with running(registry, "heavy"), running(registry, "a"):
        assert [0.75, 0.25] == [each.share for each in registry.snapshot()]


async def test_running_search_is_revoked(registry: SearchRegistry) -> None:
    """Its session ends it, after its results, with the error."""
    with registry.register("a", REQUEST) as search:
        session = FakeSession()
        search.run(session)
        assert registry.stop(search.search_id)
        assert isinstance(session.error, StoppedByOperatorError)


async def test_waiting_search_ends_with_the_error(registry: SearchRegistry) -> None:
    """It stops waiting, and the registry forgets it; a second stop changes nothing."""
    async with waiting(registry, "a") as task:
        [listed] = registry.snapshot()
        assert registry.stop(listed.search_id)
        assert registry.stop(listed.search_id)
        with pytest.raises(StoppedByOperatorError):
            await task
    assert not registry.stop(listed.search_id)


async def test_cancel_at_the_same_time_as_a_stop_is_kept(registry: SearchRegistry) -> None:
    """The cancel is not lost, because nobody would read the error."""
    async with waiting(registry, "a") as task:
        [listed] = registry.snapshot()
        registry.stop(listed.search_id)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_unknown_id_stops_nothing(registry: SearchRegistry) -> None:
    """So does the id of a search that has ended."""
    with running(registry, "a") as search_id:
        pass
    assert not registry.stop(search_id)
    assert [] == registry.of_client("a")
