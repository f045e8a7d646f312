"""A link to a network namespace whose packets are late, overtake each other or get lost.

Each of its ends is a TUN device, and this process carries the packets from one to the other: no
kernel needs netem for it. Needs root.
"""

import fcntl
import os
import random
import select
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from heapq import heappop, heappush
from itertools import count

LONGEST_DELAY_SECONDS = 0.035
PROMPT = 0.25
"""How many packets are not late at all, and so overtake others."""
LOST = 0.02
_TUNSETIFF = 0x4004_54CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_LARGEST_PACKET = 65_536
_TURN_SECONDS = 0.1


@contextmanager
def rough_link(one: str, other: str, chance: random.Random) -> Iterator[None]:
    """Make TUN devices of these names, and carry packets between them; both vanish afterwards."""
    ends = _open(one), _open(other)
    over = threading.Event()
    carrier = threading.Thread(target=_carry, args=(ends, chance, over))
    carrier.start()
    try:
        yield
    finally:
        over.set()
        carrier.join()
        for end in ends:
            os.close(end)


def _open(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    return end


def _carry(ends: tuple[int, int], chance: random.Random, over: threading.Event) -> None:
    under_way: list[tuple[float, int, int, bytes]] = []
    numbers = count()
    opposite = dict(zip(ends, reversed(ends), strict=True))
    while not over.is_set():
        due = under_way[0][0] - time.monotonic() if under_way else _TURN_SECONDS
        readable, _, _ = select.select(ends, (), (), min(max(due, 0.0), _TURN_SECONDS))
        now = time.monotonic()
        for end in readable:
            packet = os.read(end, _LARGEST_PACKET)
            if chance.random() >= LOST:
                late = 0.0 if chance.random() < PROMPT else chance.uniform(0, LONGEST_DELAY_SECONDS)
                heappush(under_way, (now + late, next(numbers), opposite[end], packet))
        while under_way and under_way[0][0] <= now:
            _, _, end, packet = heappop(under_way)
            with suppress(OSError):  # its device is not up
                os.write(end, packet)
