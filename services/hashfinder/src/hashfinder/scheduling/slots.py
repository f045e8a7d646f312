"""The slots in use, and which one is revoked when they are scarce."""

from collections.abc import Callable

from hashfinder.domain.errors import ServerOverloadedError

_TURN_SECONDS = 60.0
"""For how long a search keeps its slot whatever others hold, while the clients have one each."""


class Slot:
    """The slot of a running search."""

    def __init__(self, client: str, since: float) -> None:
        """Take whose search it is, and the time from which it is held."""
        self.client = client
        self.since = since
        self._revoke: Callable[[ServerOverloadedError], object] | None = None
        self._error: ServerOverloadedError | None = None

    def on_revoked(self, revoke: Callable[[ServerOverloadedError], object]) -> None:
        """Call `revoke` when another client needs the slot: it must stop the search soon."""
        self._revoke = revoke
        if self._error is not None:
            revoke(self._error)

    def revoke(self, error: ServerOverloadedError) -> None:
        """End the search with `error`. Its client resumes it later."""
        self._error = error
        if self._revoke is not None:
            self._revoke(error)


class SlotTable:
    """The slots in use, by client. Not thread-safe."""

    def __init__(self) -> None:
        """Begin with none in use."""
        self.taken = 0
        """The number of slots in use."""
        self._held: dict[str, dict[Slot, None]] = {}  # without those asked for; oldest first

    def add(self, client: str, now: float) -> Slot:
        """Take a slot for `client`."""
        slot = Slot(client, now)
        self._held.setdefault(client, {})[slot] = None
        self.taken += 1
        return slot

    def remove(self, slot: Slot) -> None:
        """Release a slot."""
        self.taken -= 1
        self._forget(slot)

    def count(self, client: str) -> int:
        """Return how many slots `client` holds, those that it was asked to give up left out."""
        return len(self._held.get(client, ()))

    def reclaim(self, own: int, now: float) -> Slot | None:
        """Return a slot for a client that has `own`, if that is fair; it counts no longer.

        It is the one held for longest by the client with most. A client without a slot gets it from
        one that has at least two. Others get it once it was held for a minute, if that client has
        more than they do: so also clients with one slot each take turns.
        """
        if not self._held:
            return None
        largest = max(
            self._held.values(), key=lambda slots: (len(slots), now - next(iter(slots)).since)
        )
        slot = next(iter(largest))
        surplus = len(largest) - own
        is_fair = (own == 0 and surplus > 1) or (surplus > 0 and now - slot.since >= _TURN_SECONDS)
        if not is_fair:
            return None
        self._forget(slot)
        return slot

    def _forget(self, slot: Slot) -> None:
        slots = self._held.get(slot.client, {})
        slots.pop(slot, None)
        if not slots:
            self._held.pop(slot.client, None)
