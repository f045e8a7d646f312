"""The kernel's contract implemented again, fast enough for a million candidates.

Nothing here uses code of `hashfinder`: neither its keyspace, nor its case folding, nor its score.
"""

from array import array
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha1
from itertools import compress

from tests.oracle import matches, smallest_distances

TEXT_LENGTH = 28


def secret_at(position: int) -> bytes:
    """Return the byte string at `position`: first come the (256^n - 1) / 255 with less than n."""
    length = ((255 * position + 1).bit_length() - 1) // 8
    first: int = (256**length - 1) // 255
    return (position - first).to_bytes(length, "big")


def texts(start: int, stop: int) -> bytes:
    """Return the base64 texts of the hashes in a range, joined, in lower case."""
    digests = (sha1(secret_at(position)).digest() for position in range(start, stop))  # noqa: S324 - the job
    return b"".join(map(b64encode, digests)).lower()


def distances(name: str, joined: bytes) -> list[int]:
    """Return the distance of each of the joined texts."""
    return smallest_distances(name, matches(name, joined), TEXT_LENGTH)


def positions_within(name: str, joined: bytes, start: int, distance: int) -> Sequence[int]:
    """Return the positions, from `start` on, of the joined texts within a distance."""
    near = bytes(count >= len(name) - distance for count in range(256))
    places = matches(name, joined).translate(near)
    any_place = 0
    for offset in range(TEXT_LENGTH - len(name) + 1):
        any_place |= int.from_bytes(places[offset::TEXT_LENGTH], "little")
    number = len(joined) // TEXT_LENGTH
    return array("Q", compress(range(start, start + number), any_place.to_bytes(number, "little")))


def scan(
    found: Iterable[int], start: int, ideal: int, result: int, best: int, capacity: int
) -> tuple[int, Sequence[int], tuple[int, int] | None, bool]:
    """Apply the rules of `Kernel.scan` to distances from `start` on; return a `Scan`'s items."""
    results = array("Q")
    first_best = None
    stop = start
    for position, distance in enumerate(found, start):
        stop = position + 1
        if distance < best:
            best = distance
            first_best = (position, distance)
        if distance <= result:
            results.append(position)
        if distance <= ideal:
            return stop, results, first_best, True
        if len(results) == capacity:
            break
    return stop, results, first_best, False
