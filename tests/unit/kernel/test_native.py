"""What holds for the kernels in C alone: a million candidates, the GIL, and arguments."""

import threading
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from hashfinder.kernel import Kernel
from hashfinder_rules.query import Query
from tests.unit.kernel import oracle

native = pytest.importorskip("hashfinder.kernel.native", reason="built without the C kernel")

END = 2**64
# Eight ranges, together 2^20 candidates: secrets of 2 to 8 bytes, ragged ends, the last position.
RANGE = 2**17
STARTS = [300, *(256**length // 3 + 77 for length in range(3, 9)), END - RANGE]


@cache
def joined_texts(start: int) -> bytes:
    """Return the texts of a range, computed once for all tests."""
    return oracle.texts(start, start + RANGE)


@cache
def expected_results(name: str, start: int, distance: int) -> Sequence[int]:
    """Return the position of every candidate of a range within a distance."""
    found = enumerate(oracle.distances(name, joined_texts(start)), start)
    return array("Q", (position for position, d in found if d <= distance))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("name", "distance"),
    [("q\0", 1), ("doctor\0", 4), ("abcdefghijklm7", 9), ("0123456789abcdefghijklmnop+=", 23)],
)
def test_agrees_on_a_million_candidates(
    native_kernel: Kernel, name: str, distance: int, start: int
) -> None:
    """Sparse and dense hits, short and long names: every result of 2^20 candidates is the same."""
    expected = expected_results(name, start, distance)
    assert expected

    scan = native_kernel.prepare(Query(name, 0, distance)).scan(start, start + RANGE, 0, RANGE)

    assert start + RANGE == scan.stop
    assert expected == scan.results


def test_other_threads_run_during_a_scan(native_kernel: Kernel) -> None:
    """A scan holds no GIL: Python code goes on in the middle of it."""
    times: list[float] = []

    def scan() -> None:
        times.append(time.monotonic())
        native_kernel.prepare(Query("0123456789abcdef", 0)).scan(0, 2**23, 0, 1)
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


def test_threads_share_a_kernel(native_kernel: Kernel) -> None:
    """Scans at the same time do not disturb each other."""
    name, distance = "doctor\0", 4
    query = Query(name, 0, distance)

    with ThreadPoolExecutor(4) as pool:
        scans = [
            pool.submit(native_kernel.prepare(query).scan, start, start + RANGE, 0, RANGE)
            for start in STARTS * 2
        ]

    expected = [expected_results(name, start, distance) for start in STARTS * 2]
    assert expected == [scan.result().results for scan in scans]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("sse9", b"a", 0, 0, 0, 9, 2, 1), "this CPU cannot run the kernel variant 'sse9'"),
        (("baseline", b"", 0, 0, 0, 9, 2, 1), "the pattern must have 1 to 28 bytes"),
        (("baseline", b"a" * 29, 0, 0, 0, 9, 2, 1), "the pattern must have 1 to 28 bytes"),
        (("baseline", b"a", 0, 0, 9, 8, 2, 1), "the first position must not be above the last"),
        (("baseline", b"a", 0, 0, 0, 9, 2, 0), "the buffer must have room for one position"),
        (("baseline", b"a", 1, 0, 0, 9, 2, 1), "the ideal distance must not be above the result"),
    ],
)
def test_the_binding_checks_its_arguments(arguments: tuple[Any, ...], error: str) -> None:
    """What would make the C code read or write astray is refused, by name."""
    with pytest.raises(ValueError, match=error):
        native._native.scan(*arguments[:-1], array("Q", [0] * arguments[-1]), None)  # noqa: SLF001 - what `NativeKernel` stands on


@pytest.mark.parametrize(("first", "last"), [(-1, 9), (0, END)])
def test_the_binding_takes_positions_of_64_bits(first: int, last: int) -> None:
    """A position outside the keyspace is refused, not cut to 64 bits."""
    with pytest.raises(OverflowError):
        native._native.scan("baseline", b"a", 0, 0, first, last, 2, array("Q", [0]), None)  # noqa: SLF001
