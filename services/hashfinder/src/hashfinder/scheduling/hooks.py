"""What the scheduler's owner does around its worker threads."""

from collections.abc import Callable
from dataclasses import dataclass


def _nothing(*_: object) -> None:
    pass


def _no_pause() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class WorkerHooks:
    """Called from the worker threads; by default they do nothing."""

    prepare: Callable[[], None] = _nothing
    """Called first by each worker."""
    pause: Callable[[], float] = _no_pause
    """Asked by the last worker after each chunk: it waits for so many seconds and asks again, until
    the answer is 0."""
    died: Callable[[BaseException], None] = _nothing
    """Called by a worker that ends without being asked to, when its search has ended."""


NO_HOOKS = WorkerHooks()
