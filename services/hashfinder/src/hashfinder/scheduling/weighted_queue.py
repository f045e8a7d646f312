"""Turns for clients in proportion to their weights, then in order over each client's items.

This is stride scheduling (Waldspurger and Weihl, 1995). Each turn moves a client on by 1 / weight
in virtual time, and the client that is furthest behind has the next turn. With equal weights that
is the round robin of `FairQueue`, which takes constant time, and serves where there are no weights.
"""

import heapq
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class WeightedQueue(Generic[T]):
    """A queue in which each client with items waiting has turns in proportion to its weight.

    How many items a client has makes no difference. One that comes, or comes back, waits like any
    other for 1 / weight: nothing is gained by leaving. Takes logarithmic time. Not thread-safe.
    """

    def __init__(self, weight_of: Callable[[str], float]) -> None:
        """Begin empty. `weight_of` returns the weight of a client, above 0; it may change."""
        self._weight_of = weight_of
        self._items: dict[str, deque[T]] = {}
        self._turns: list[tuple[float, int, str]] = []
        """A heap of the clients: when each has its next turn, then in the order of the decision."""
        self._now = 0.0  # the virtual time of the newest turn
        self._decisions = 0

    def __bool__(self) -> bool:
        """Return whether any item waits."""
        return bool(self._turns)

    def has(self, client: str) -> bool:
        """Return whether an item of `client` waits."""
        return client in self._items

    def push(self, client: str, item: T) -> None:
        """Add an item behind the others of its client."""
        items = self._items.get(client)
        if items is None:
            items = self._items[client] = deque()
            self._decide(client)
        items.append(item)

    def pop(self) -> T:
        """Remove and return the next item; its client has had a turn.

        Raises:
            IndexError: no item waits.
        """
        self._now, _, client = heapq.heappop(self._turns)
        items = self._items[client]
        item = items.popleft()
        if items:
            self._decide(client)
        else:
            del self._items[client]
        return item

    def _decide(self, client: str) -> None:
        self._decisions += 1
        turn = self._now + 1 / self._weight_of(client)
        heapq.heappush(self._turns, (turn, self._decisions, client))
