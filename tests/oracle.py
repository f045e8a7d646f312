"""The contract again in plain code: `hashlib` and `base64`, and nothing of the product."""

import base64
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from operator import ne

ALGORITHMS = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}


def hash_text(algorithm: str, encoding: str, message: bytes) -> str:
    """Return the text of the hash of `message`."""
    digest = ALGORITHMS[algorithm](message).digest()
    if encoding == "BASE64":
        return base64.b64encode(digest).decode()
    if encoding == "BASE64URL":
        return base64.urlsafe_b64encode(digest).decode().replace("=", "")
    if encoding == "HEX":
        return digest.hex()
    if encoding == "BASE32":
        return base64.b32encode(digest).decode()
    return "".join(f"{byte:08b}" for byte in digest)


def ascii_lower(text: str) -> str:
    """Return `text` with A to Z in lower case."""
    return text.encode("utf-8").lower().decode("utf-8")  # for bytes, only these have a lower case


def offsets(anchor: str, name: str, text: str) -> list[int]:
    """Return the offsets in `text` where `name` may start."""
    if anchor == "START":
        return [0]
    if anchor == "END":
        return [len(text.rstrip("=")) - len(name)]
    return list(range(len(text) - len(name) + 1))


def best_match(
    name: str, text: str, anchor: str, wildcard: str, *, case_sensitive: bool
) -> tuple[int, int]:
    """Return the smallest distance, and the first offset that has it."""
    written, folded = (name, text) if case_sensitive else (ascii_lower(name), ascii_lower(text))
    counts = [character != wildcard for character in name]
    wanted = list(itertools.compress(written, counts))
    best = (len(name) + 1, -1)
    for offset in offsets(anchor, name, text):
        differences = sum(map(ne, wanted, itertools.compress(folded[offset:], counts)))
        best = min(best, (differences, offset))
    return best


def distances(
    name: str, texts: Sequence[str], anchor: str, wildcard: str, *, case_sensitive: bool
) -> list[int]:
    """Return the smallest distance in each of the texts, all of one length."""
    if anchor == "ANYWHERE":
        joined = "".join(texts).encode()
        counts = matches(name, joined, wildcard, case_sensitive=case_sensitive)
        return smallest_distances(name, counts, len(texts[0]))
    return [
        best_match(name, text, anchor, wildcard, case_sensitive=case_sensitive)[0] for text in texts
    ]


def matches(name: str, joined: bytes, wildcard: str = "", *, case_sensitive: bool = False) -> bytes:
    """Return how many characters of a name, of at most 255, match at each place of joined texts.

    One large integer with a byte for each place counts them for all places at once.
    """
    texts, fold = (joined, str) if case_sensitive else (joined.lower(), ascii_lower)
    marks = {}
    for character in set(name):
        table = bytearray([character == wildcard] * 256)
        if character.isascii():
            table[ord(fold(character))] = 1
        marks[character] = int.from_bytes(texts.translate(table), "little")
    counts = sum(marks[character] >> 8 * index for index, character in enumerate(name))
    return counts.to_bytes(len(texts), "little")


def smallest_distances(name: str, counts: bytes, length: int) -> list[int]:
    """Return the smallest distance in each text, of this length, from what `matches` returned."""
    places = [counts[offset::length] for offset in range(length - len(name) + 1)]
    best = map(max, *places) if len(places) > 1 else iter(places[0])
    return [len(name) - count for count in best]


def secrets(alphabet: bytes, length: int | None) -> Iterator[bytes]:
    """Yield the secrets in order of position."""
    lengths = itertools.count() if length is None else [length]
    for n in lengths:
        for symbols in itertools.product(alphabet, repeat=n):
            yield bytes(symbols)
