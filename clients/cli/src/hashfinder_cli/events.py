"""What can happen to a search, and the one queue that it all comes out of."""

import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeAlias

from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import HashNameResponse

READ_AHEAD = 64
"""Messages that may wait in the queue. With no limit, a slow reader of stdout would fill memory."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A signal asks the program to stop."""

    signum: int


Event: TypeAlias = HashNameResponse | RpcStatus | Interrupted
NO_CALL = -1
"""What an event that comes of no call comes of."""


class EventQueue:
    """A queue from threads and signal handlers to the main thread."""

    def __init__(self) -> None:
        """Make an empty one."""
        self._events: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        self._slots = threading.Semaphore(READ_AHEAD)

    def put(self, event: RpcStatus | Interrupted, call: int = NO_CALL) -> None:
        """Add `event` of a call. Never blocks, and may be called from a signal handler.

        `SimpleQueue.put` is reentrant by contract; of other locks and queues, hardly any is.
        """
        self._events.put((call, event))

    def put_message(self, message: HashNameResponse, call: int) -> None:
        """Add `message` of a call; blocks while `READ_AHEAD` wait, which parks the search."""
        self._slots.acquire()
        self._events.put((call, message))

    def get(self, timeout: float) -> tuple[int, Event]:
        """Return the number of a call and the next event, which comes of it.

        Raises:
            queue.Empty: there is none within `timeout` seconds.
        """
        call, event = self._events.get(timeout=timeout)
        if isinstance(event, HashNameResponse):
            self._slots.release()
        return call, event
