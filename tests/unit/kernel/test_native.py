"""The kernels in C only: a million candidates, the GIL, and invalid arguments."""

import os
import threading
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice, permutations
from typing import Any

import pytest

from hashfinder.kernel import Kernel
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from tests.bench.recorder import resident_bytes
from tests.unit.kernel import oracle

native = pytest.importorskip("hashfinder.kernel.native", reason="built without the C kernel")

END = 2**64
# Eight ranges, 2^20 candidates in total: secrets of 2 to 8 bytes, unaligned ends, the last
# position.
RANGE = 2**17
STARTS = [300, *(256**length // 3 + 77 for length in range(3, 9)), END - RANGE]


@cache
def joined_texts(start: int) -> bytes:
    """Return the texts of a range, computed once for all tests."""
    return oracle.texts(start, start + RANGE)


@cache
def expected_results(name: str, start: int, distance: int) -> Sequence[int]:
    """Return the position of every candidate in a range within a distance."""
    return oracle.positions_within(name, joined_texts(start), start, distance)


@pytest.mark.parametrize(
    ("name", "distance"),
    [("q\0", 1), ("doctor\0", 4), ("abcdefghijklm7", 9), ("0123456789abcdefghijklmnop+=", 23)],
)
@pytest.mark.parametrize("start", STARTS)
def test_agrees_on_a_million_candidates(
    native_kernel: Kernel, name: str, distance: int, start: int
) -> None:
    """Few or many results, short or long names: all results of 2^20 candidates are the same."""
    expected = expected_results(name, start, distance)
    assert expected

    scan = native_kernel.prepare(Query(name, 0, distance)).scan(start, start + RANGE, 0, RANGE)

    assert start + RANGE == scan.stop
    assert expected == scan.results


def test_other_threads_run_during_a_scan(each_native_kernel: Kernel) -> None:
    """A scan releases the GIL: Python code runs during it."""
    times: list[float] = []

    def scan() -> None:
        times.append(time.monotonic())
        each_native_kernel.prepare(Query("0123456789abcdef", 0)).scan(0, 2**23, 0, 1)
        times.append(time.monotonic())

    thread = threading.Thread(target=scan)
    thread.start()
    ticks = []
    while thread.is_alive():
        ticks.append(time.monotonic())
    thread.join()

    begin, end = times
    quarter = (end - begin) / 4
    assert any(begin + quarter < tick < end - quarter for tick in ticks)


def test_threads_share_a_kernel(each_native_kernel: Kernel) -> None:
    """Concurrent scans do not affect each other."""
    name, distance = "doctor\0", 4
    query = Query(name, 0, distance)

    with ThreadPoolExecutor(4) as pool:
        scans = [
            pool.submit(each_native_kernel.prepare(query).scan, start, start + RANGE, 0, RANGE)
            for start in STARTS * 2
        ]

    expected = [expected_results(name, start, distance) for start in STARTS * 2]
    assert expected == [scan.result().results for scan in scans]


def test_threads_share_the_tables_of_their_plans(each_native_kernel: Kernel) -> None:
    """Concurrent scans do not affect each other, although their tables replace one another."""
    alphabets = [bytes(range(first, first + 33)) for first in range(0, 99, 33)]
    queries = [Query("q\0", 0, 1, keyspace=Keyspace(alphabet)) for alphabet in alphabets] * 8
    alone = [each_native_kernel.prepare(query).scan(0, RANGE, 0, RANGE) for query in queries[:3]]

    with ThreadPoolExecutor(4) as pool:
        scans = pool.map(lambda q: each_native_kernel.prepare(q).scan(0, RANGE, 0, RANGE), queries)

    assert alone[0].results != alone[1].results
    assert alone * 8 == list(scans)


def test_memory_of_all_plans_together_is_bounded(native_kernel: Kernel) -> None:
    """Tables of some 350 KiB each: all would be 200 MiB and more, those of 64 plans are 25."""
    alphabets = permutations(range(33), 33)
    before = resident_bytes(os.getpid())
    scanners = []
    for alphabet in islice(alphabets, 300):
        keyspace = Keyspace(bytes(alphabet))
        query = Query("hopelesshopeless", keyspace=keyspace, secret_prefix=bytes(60))
        scanners.append(native_kernel.prepare(query))
        scanners[-1].scan(33**6, 33**6 + 1000, 0, 1)
        scanners[-1].scan(33**7, 33**7 + 1000, 0, 1)
    assert resident_bytes(os.getpid()) - before < 100 * 2**20


PREPARE: dict[str, Any] = {
    "variant": "baseline",
    "algorithm": 0,
    "prefix": b"",
    "suffix": b"",
    "alphabet": bytes(range(256)),
    "secret_length": -1,
    "symbol_bits": 6,
    "text_length": 28,
    "symbols": array("Q", [1, 2]),
    "padding": b"\0\0",
    "first_offset": 0,
    "last_offset": 26,
    "ideal_distance": 0,
    "result_distance": 2,
}
"""Arguments that the binding accepts."""


def prepare(**changes: object) -> object:
    """Call the binding like `NativeKernel`, with some arguments changed."""
    return native._native.prepare(*{**PREPARE, **changes}.values())  # noqa: SLF001


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"variant": "sse9"}, "this CPU cannot run the kernel variant 'sse9'"),
        ({"algorithm": 3}, "the hash must be 0, 1 or 2"),
        ({"algorithm": -1}, "the hash must be 0, 1 or 2"),
        ({"prefix": bytes(49000), "suffix": bytes(153)}, "not have more than 49152 bytes"),
        ({"suffix": bytes(49153)}, "prefix and suffix must not have more than 49152 bytes"),
        ({"alphabet": b"a"}, "the alphabet must have 2 to 256 bytes"),
        ({"alphabet": bytes(257)}, "the alphabet must have 2 to 256 bytes"),
        ({"alphabet": b"aba"}, "the alphabet must not have a byte twice"),
        ({"secret_length": 1025}, "the secret's length must be 0 to 1024, or -1"),
        ({"symbol_bits": 0}, "a symbol must have 1, 4, 5 or 6 bits"),
        ({"symbol_bits": -1}, "a symbol must have 1, 4, 5 or 6 bits"),
        ({"symbol_bits": 2}, "a symbol must have 1, 4, 5 or 6 bits"),
        ({"symbol_bits": 7}, "a symbol must have 1, 4, 5 or 6 bits"),
        ({"text_length": 26}, "the text's length must be that of a digest"),
        ({"text_length": 513}, "the text's length must be that of a digest, and at most 512"),
        ({"symbols": array("Q"), "padding": b""}, "the name must have 1 character"),
        ({"symbols": array("Q", [1] * 29), "padding": bytes(29)}, "at most as many as the text"),
        ({"symbols": array("Q", [1] * 600), "padding": bytes(600)}, "at most as many as the text"),
        ({"symbols": array("Q", [1])}, "8 bytes of values and one of padding"),
        ({"symbols": array("Q", [7, 1])}, "a character must match no symbol, one, two or all"),
        ({"first_offset": 27}, "the offsets must be in order"),
        ({"last_offset": 27}, "leave room for the name in the text"),
        ({"last_offset": -1}, "leave room for the name in the text"),
        ({"result_distance": 3}, "the distances must not be above the length of the name"),
        ({"ideal_distance": 3, "result_distance": 3}, "not be above the length of the name"),
        ({"ideal_distance": 1, "result_distance": 0}, "the ideal distance must not be above"),
    ],
)
def test_the_binding_checks_a_query(changes: dict[str, Any], error: str) -> None:
    """Arguments that would make the C code access memory out of bounds are refused by name."""
    assert prepare()

    with pytest.raises(ValueError, match=error):
        prepare(**changes)


@pytest.mark.parametrize("value", [-2, 2**31, 2**64, -(2**64)])
def test_the_binding_takes_numbers_that_fit(value: int) -> None:
    """A number is refused rather than truncated."""
    for name in ("algorithm", "secret_length", "symbol_bits", "first_offset", "result_distance"):
        with pytest.raises(OverflowError):
            prepare(**{name: value})


@pytest.mark.parametrize(
    ("first", "last", "room", "error"),
    [
        (9, 8, 1, "the positions must be in order, and at most 15"),
        (0, 16, 1, "the positions must be in order, and at most 15"),
        (0, 9, 0, "the buffer must have room for one position"),
    ],
)
def test_the_binding_checks_a_scan(first: int, last: int, room: int, error: str) -> None:
    """A range outside the keyspace and an empty buffer are refused."""
    scanner = prepare(alphabet=b"ab", secret_length=4)

    with pytest.raises(ValueError, match=error):
        native._native.scan(scanner, first, last, 2, array("Q", [0] * room), None)  # noqa: SLF001


@pytest.mark.parametrize(("first", "last"), [(-1, 9), (0, END)])
def test_the_binding_takes_positions_of_64_bits(first: int, last: int) -> None:
    """A position outside the keyspace is refused, not truncated to 64 bits."""
    with pytest.raises(OverflowError):
        native._native.scan(prepare(), first, last, 2, array("Q", [0]), None)  # noqa: SLF001


def test_the_binding_takes_its_own_scanners() -> None:
    """Other objects in place of a scanner are refused."""
    with pytest.raises(ValueError, match="PyCapsule"):
        native._native.scan(object(), 0, 9, 2, array("Q", [0]), None)  # noqa: SLF001
