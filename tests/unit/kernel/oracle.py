"""The kernel's contract implemented again, fast enough for a million candidates.

Nothing here uses code of `hashfinder`: neither its keyspace, nor its case folding, nor its score.
"""

from array import array
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha1

TEXT_LENGTH = 28


def secret_at(position: int) -> bytes:
    """Return the byte string at `position`: first come the (256^n - 1) / 255 with less than n."""
    length = ((255 * position + 1).bit_length() - 1) // 8
    first: int = (256**length - 1) // 255
    return (position - first).to_bytes(length, "big")


def texts(start: int, stop: int) -> bytes:
    """Return the base64 texts of the hashes in a range, joined, in lower case."""
    return b"".join(
        b64encode(sha1(secret_at(position)).digest()).lower()  # noqa: S324 - the job
        for position in range(start, stop)
    )


def distances(name: str, joined: bytes) -> list[int]:
    """Return the distance of each of the joined texts.

    One large integer with a byte per character counts the matching characters of the name, for all
    places in all texts at once.
    """
    counts = 0
    for index, character in enumerate(name):
        table = bytearray(256)
        if character.isascii():
            table[ord(character.lower())] = 1
        counts += int.from_bytes(joined.translate(table), "little") >> 8 * index
    places = counts.to_bytes(len(joined), "little")
    offsets = [places[offset::TEXT_LENGTH] for offset in range(TEXT_LENGTH - len(name) + 1)]
    best = map(max, *offsets) if len(offsets) > 1 else iter(offsets[0])
    return [len(name) - matches for matches in best]


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
