"""The searches that `make bench-kernel` measures beside the default one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from string import ascii_letters, digits

from hashfinder_rules.keyspace import ALL_BYTES, Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests.bench.results import DEFAULT_JOB

COMMIT = Keyspace(bytes(range(0x40, 0x50)), 10)
"""Sixteen symbols, as free bytes of a commit's message or header use them."""
ALPHANUMERIC = Keyspace((ascii_letters + digits).encode(), 8)
DIGITS = Keyspace(digits.encode(), 10)
FIVE_BYTES = Keyspace(ALL_BYTES, 5)


@dataclass(frozen=True)
class Job:
    """A kind of search, from some position on."""

    label: str
    query: Query

    @property
    def start(self) -> int:
        """A position with many others behind it."""
        return self.query.keyspace.end // 3


DEFAULT = Job(DEFAULT_JOB, Query("doctor", 0, 1, keyspace=FIVE_BYTES))


def _job(label: str, name: str, scheme: Scheme, keyspace: Keyspace, prefix: int = 0) -> Job:
    return Job(label, Query(name, 0, 0, scheme, keyspace, b"p" * prefix))


def jobs() -> list[Job]:
    """Return the jobs of the table, all compared with `DEFAULT`."""
    sha1, sha256, sha512 = (Scheme(algorithm) for algorithm in Algorithm)
    hex_1, hex_256, hex_512 = (Scheme(a, Encoding.HEX, Anchor.START) for a in Algorithm)
    commit = _job("SHA-1, hex START, prefix, 16 symbols", "c0ffee0", hex_1, COMMIT, 108)
    zeros = Scheme(Algorithm.SHA256, Encoding.BINARY, Anchor.START)
    default = replace(DEFAULT.query, secret_suffix=bytes(320))
    return [
        replace(commit, query=replace(commit.query, secret_suffix=b"\n")),
        _job("SHA-1, base64 anywhere, prefix, 62 symbols", "doctor", sha1, ALPHANUMERIC, 20),
        _job("SHA-256, hex START", "c0ffee0", hex_256, FIVE_BYTES),
        _job("SHA-256, base64 anywhere", "doctor", sha256, FIVE_BYTES),
        _job("SHA-256, 32 leading zero bits, digits", "0" * 32, zeros, DIGITS, 20),
        _job("SHA-512, hex START", "c0ffee0", hex_512, FIVE_BYTES),
        _job("SHA-512, base64 anywhere", "doctor", sha512, FIVE_BYTES),
        Job("SHA-1, five more constant blocks", default),
    ]


def kinds() -> Iterator[tuple[str, list[Job]]]:
    """Yield kinds of searches whose members should be about equally fast: without cliffs."""
    for algorithm in Algorithm:
        scheme = Scheme(algorithm)
        title = algorithm.title
        sizes = (2, 3, 5, 7, 10, 16, 17, 26, 33, 34, 48, 49, 62, 65, 95, 97, 128, 129, 255, 256)
        alphabets = [Keyspace(ALL_BYTES[:size], 64 // size.bit_length()) for size in sizes]
        yield (
            f"{title}: alphabets of 2 to 256 bytes",
            [_job(f"{len(k.alphabet)} bytes", "doctor", scheme, k) for k in alphabets],
        )
        yield (
            f"{title}: prefixes of 0 to {algorithm.block_size - 10} bytes, 16 symbols, one block",
            [
                _job(f"{n} bytes", "doctor", scheme, Keyspace(COMMIT.alphabet, 9), n)
                for n in range(0, algorithm.block_size - algorithm.block_size // 8 - 9, 3)
            ],
        )
        yield (
            f"{title}: names of 1 to {scheme.text_length} characters",
            [
                _job(f"{n} characters", ("\0" + digits * 9)[:n], scheme, FIVE_BYTES)
                for n in range(1, scheme.text_length + 1, 4)
            ],
        )
