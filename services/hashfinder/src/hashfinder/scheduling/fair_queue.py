"""Round robin over clients first, then over each client's items."""

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A queue in which every client with an item waiting comes up once a round.

    A client gets the same share however many items it has. All operations but `discard` take
    constant time. Not thread-safe.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._clients: OrderedDict[str, deque[T]] = OrderedDict()  # in order of the round
        self._length = 0

    def __len__(self) -> int:
        """Return the number of items of all clients."""
        return self._length

    def push(self, client: str, item: T) -> None:
        """Add an item behind the others of its client; a new client comes last in the round."""
        self._clients.setdefault(client, deque()).append(item)
        self._length += 1

    def clients(self) -> Collection[str]:
        """Return the clients with an item waiting, in the order of the round."""
        return self._clients.keys()

    def count(self, client: str) -> int:
        """Return how many items of `client` wait."""
        return len(self._clients.get(client, ()))

    def pop(self, client: str | None = None) -> T:
        """Remove and return the next item, and send its client to the end of the round.

        It is the next one of `client`, where that is given.

        Raises:
            KeyError: no item waits.
        """
        if client is None:
            client, items = self._clients.popitem(last=False)
        else:
            items = self._clients.pop(client)
        item = items.popleft()
        if items:
            self._clients[client] = items
        self._length -= 1
        return item

    def pop_newest(self, client: str) -> T:
        """Remove and return the item of `client` that was added last.

        Raises:
            KeyError: no item of the client waits.
        """
        items = self._clients[client]
        item = items.pop()
        if not items:
            del self._clients[client]
        self._length -= 1
        return item

    def discard(self, client: str, item: T) -> None:
        """Remove an item, if it is there."""
        items = self._clients.get(client, deque())
        if item in items:
            items.remove(item)
            self._length -= 1
            if not items:
                del self._clients[client]
