"""Turns on the event loop: groups first, then clients round robin.

A context variable says whose share of the loop a task takes; all that the task starts inherits it.
A `PromptEventLoop` reads it; on any other loop it has no effect.
"""

from collections.abc import Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Generic, NamedTuple, TypeVar

from hashfinder.scheduling.fair_queue import FairQueue

T = TypeVar("T")


class Share(NamedTuple):
    """The share of the event loop that a step belongs to."""

    group: str
    client: str


_share: ContextVar[Share | None] = ContextVar("share", default=None)


def enter_background(group: str, client: str = "") -> None:
    """Let the current task, and what it starts from now on, take the share of `client` in `group`.

    Each group has one step a turn of the loop, and the clients of a group have theirs round robin.
    The empty client is the server's own work, and RPCs whose client is not known yet. It takes
    effect when the task waits next.
    """
    _share.set(Share(group, client))


def background(group: str) -> Context:
    """Return the current context, but for the server's own work in `group`."""
    context = copy_context()
    context.run(enter_background, group)
    return context


def foreground() -> Context:
    """Return the current context, but for callbacks that must not wait for the background."""
    context = copy_context()
    context.run(_share.set, None)
    return context


def share_of(context: Context) -> Share | None:
    """Return whose share a callback with this context takes; None in the foreground."""
    return context.get(_share)


class Background(Generic[T]):
    """The steps that wait for a turn."""

    def __init__(self) -> None:
        """Begin empty."""
        self._groups: dict[str, FairQueue[T]] = {}

    def __bool__(self) -> bool:
        """Return whether a step waits."""
        return any(self._groups.values())

    def push(self, share: Share, step: T) -> None:
        """Add a step behind the others of its client."""
        queue = self._groups.get(share.group)
        if queue is None:
            queue = self._groups[share.group] = FairQueue()
        queue.push(share.client, step)

    def round(self) -> Iterator[T]:
        """Remove and yield the next step of each group that has one."""
        for queue in tuple(self._groups.values()):
            if queue:
                yield queue.pop()
