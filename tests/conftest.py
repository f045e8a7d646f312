"""Tests run in parallel, except those that measure time or shares."""

import fcntl
import gc
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore = [] if find_spec("playwright") else ["web"]
"""The browser's driver is installed by `make test-web`."""


def runs_alone(item: pytest.Item) -> bool:
    """Return whether no other test may run beside this one."""
    return item.get_closest_marker("alone") is not None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector: what is imported and collected stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that run alone last, so that no other test waits for them."""
    items.sort(key=runs_alone)


# Around pytest-timeout, which would otherwise count the wait as the test's own time.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Share the machine with the other processes of pytest-xdist, or have it alone."""
    assert item.config.cache is not None
    folder = item.config.cache.mkdir("turns")
    with ExitStack() as turn:
        # Others wait for this lock meanwhile; otherwise a test that runs alone might never start.
        with locked(folder / "queue", fcntl.LOCK_EX):
            mode = fcntl.LOCK_EX if runs_alone(item) else fcntl.LOCK_SH
            turn.enter_context(locked(folder / "machine", mode))
        return (yield)


@contextmanager
def locked(path: Path, mode: int) -> Iterator[None]:
    """Hold a lock between processes."""
    with path.open("w") as file:
        fcntl.flock(file, mode)
        yield
