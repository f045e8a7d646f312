"""The contract of `Kernel.scan`: the same tests for every kernel, against an independent oracle."""

import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hashfinder.kernel import Kernel, Scan
from hashfinder_rules.query import Query
from tests.unit.kernel import oracle

END = 2**64
# The first position of the secrets of 0 to 8 bytes: b"", b"\0", b"\0\0" and so on.
LENGTH_STARTS = [(256**length - 1) // 255 for length in range(9)]
SYMBOLS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/="
# These occur in no hash. The other case of two of them is an ASCII letter.
FOREIGN = "\0 -_.é\u017f\u212a\U0001f600"
NAMES = ["q", "7=", "Doctor\u212a", "/hello+4you=", "abcdefghijklmnopqrstuvwxyz+/"]


texts = cache(oracle.texts)


def expected_scan(query: Query, start: int, stop: int, best_distance: int, capacity: int) -> Scan:
    """Return what a scan must return, according to the oracle."""
    ideal, interesting = query.ideal_distance, query.interesting_distance
    found = oracle.distances(query.name, texts(start, stop))
    result = max(ideal, interesting)
    return Scan(*oracle.scan(found, start, ideal, result, best_distance, capacity))


def expected_distances(name: str, start: int, stop: int) -> dict[int, int]:
    """Return the distance at each position."""
    found = oracle.distances(name, texts(start, stop))
    return dict(zip(range(start, stop), found, strict=True))


@pytest.mark.parametrize(
    ("secret", "text"),
    [  # from `printf | openssl sha1 -binary | base64`
        (b"", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        (b"\x00", "W6k8nbDP+T9StSHXQg5D9u2ieE8="),
        (b"\xff", "heUyceFABvAmWSHQLU1zbNxYCws="),
        (b"\x00\x00", "FIn5I8TcpykXiz4yM0WFUNjd3yk="),
        (b"abc", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
        (b"doctor", "HwFgB2yfQqFX8Kjw3MaOAv9pBFs="),
    ],
)
def test_known_hashes_are_found(kernel: Kernel, secret: bytes, text: str) -> None:
    """Every part of a hash computed with OpenSSL is found, in either case."""
    position = LENGTH_STARTS[len(secret)] + int.from_bytes(secret)
    for length in range(1, 29):
        for offset in range(29 - length):
            name = text[offset : offset + length].swapcase()
            scan = kernel.prepare(Query(name, 0)).scan(position, position + 1, 0, 1)
            assert Scan(position + 1, array("Q", [position]), None, found=True) == scan


@pytest.mark.parametrize("length", range(1, 29))
def test_scores_names_of_every_length(kernel: Kernel, length: int) -> None:
    """Every distance for every length is exact, including where the length of secrets changes."""
    text = texts(300, 301).decode()
    # a part of a hash in the range, so that small distances occur, and its end, so that '=' does
    for name in (text[:length], text[-length:]):
        found = expected_distances(name, 246, 310)
        assert 0 in found.values()

        for distance in range(length + 1):
            ends, results = 246, array("Q")
            while ends < 310:
                scan = kernel.prepare(Query(name, 0, distance)).scan(ends, 310, 0, 100)
                ends = scan.stop
                results.extend(scan.results)

            assert [p for p, d in found.items() if d <= distance] == results.tolist()


@pytest.mark.parametrize("start", [*LENGTH_STARTS[1:], 256 * 7, 2**32, 2**63, END - 130])
@pytest.mark.parametrize("name", NAMES)
def test_scans_across_every_boundary(kernel: Kernel, name: str, start: int) -> None:
    """Nothing is missed where secrets grow, where a block begins, and up to the last position."""
    first, last = max(0, start - 130), min(start + 130, END)
    query = Query(name, 0, len(name))

    for begin in (first, start - 1, start, start + 1):
        assert expected_scan(query, begin, last, 0, 300) == kernel.prepare(query).scan(
            begin, last, 0, 300
        )


def test_scans_the_smallest_secrets_one_by_one(kernel: Kernel) -> None:
    """Any range within the first 10 positions and around 256 gives its part of all results."""
    query = Query("a-", 0, 2)  # never ideal
    whole = expected_distances("a-", 0, 270)

    for low, high in ((0, 10), (250, 265)):
        for start in range(low, high):
            for stop in range(start, high + 1):
                found = (whole[position] for position in range(start, stop))
                expected = Scan(*oracle.scan(found, start, 0, 2, 3, 300))
                assert stop == expected.stop
                assert expected == kernel.prepare(query).scan(start, stop, 3, 300)


@pytest.mark.parametrize("position", [0, 1, 5000, END - 1, END])
def test_an_empty_range_has_no_results(kernel: Kernel, position: int) -> None:
    """A scan of an empty range ends where it began."""
    assert Scan(position, array("Q")) == kernel.prepare(Query("a", 1)).scan(
        position, position, 9, 1
    )


def test_ends_with_the_first_ideal_candidate(kernel: Kernel) -> None:
    """The ideal candidate is the last result, and the scan stops right after it."""
    found = expected_distances("ab", 0, 3000)
    ideal = min(position for position, distance in found.items() if distance == 0)
    before = [p for p, d in found.items() if d == 1 and p < ideal]
    assert before
    all_of_them = Scan(ideal + 1, array("Q", [*before, ideal]), (ideal, 0), found=True)
    first = Scan(before[0] + 1, array("Q", before[:1]), (before[0], 1), found=True)

    assert all_of_them == kernel.prepare(Query("ab", 0, 1)).scan(0, 3000, 1, 3000)
    assert all_of_them == kernel.prepare(Query("ab", 0, 1)).scan(0, 3000, 1, len(before) + 1)
    assert not kernel.prepare(Query("ab", 0, 1)).scan(0, 3000, 1, len(before)).found
    assert all_of_them._replace(results=array("Q", [ideal])) == kernel.prepare(Query("ab", 0)).scan(
        0, 3000, 1, 3000
    )
    assert first == kernel.prepare(Query("ab", 1)).scan(0, 3000, 2, 3000)
    assert first._replace(best=None) == kernel.prepare(Query("ab", 1)).scan(0, 3000, 1, 3000)


@pytest.mark.parametrize("capacity", [1, 2, 63, 64, 65, 700])
def test_ends_when_the_results_are_full(kernel: Kernel, capacity: int) -> None:
    """A full scan stops right after its last result, where the next one can continue."""
    query = Query("xy-", 0, 2)  # never ideal
    expected = [p for p, d in expected_distances("xy-", 1000, 4000).items() if d <= 2]

    start = 1000
    results = array("Q")
    while start < 4000:
        scan = kernel.prepare(query).scan(start, 4000, 0, capacity)
        assert len(scan.results) == capacity or scan.stop == 4000
        assert scan.stop == 4000 or scan.stop == scan.results[-1] + 1
        start = scan.stop
        results.extend(scan.results)

    assert expected == results.tolist()


@pytest.mark.parametrize("capacity", [1, 2, 20, 4000])
@pytest.mark.parametrize("best_distance", range(8))
def test_reports_the_first_of_the_best(kernel: Kernel, best_distance: int, capacity: int) -> None:
    """The best has a distance below `best_distance`, and is the first of the least in the scan."""
    query = Query("doctor", 0, 4)
    scan = kernel.prepare(query).scan(0, 4000, best_distance, capacity)

    found = expected_distances("doctor", 0, 4000)
    best = min(range(scan.stop), key=lambda position: found[position])
    assert (len(scan.results) == capacity) == (scan.stop < 4000)
    assert ((best, found[best]) if found[best] < best_distance else None) == scan.best


def test_halted_scan_ends_early_with_valid_results(each_kernel: Kernel) -> None:
    """The results up to its end count, and an ideal candidate is really ideal."""
    found = expected_distances("doctor", 0, 3000)
    query = Query("doctor", min(found.values()), 6)  # every candidate is a result
    halt = bytearray([1])

    position = 0
    while not (scan := each_kernel.prepare(query).scan(position, 3000, 0, 3000, halt)).found:
        assert position < scan.stop <= position + 1024
        assert array("Q", range(position, scan.stop)) == scan.results
        position = scan.stop

    assert min(found, key=lambda p: found[p]) == scan.results[-1]


def test_another_thread_halts_a_scan(each_kernel: Kernel) -> None:
    """A scan that would take years ends."""
    halt = bytearray(1)
    with ThreadPoolExecutor(1) as pool:
        scan = pool.submit(each_kernel.prepare(Query("-" * 28, 0)).scan, 0, END, 0, 1, halt)
        time.sleep(0.05)
        assert not scan.done()
        halt[0] = 1
        assert 0 < scan.result(timeout=20).stop < END


@pytest.mark.parametrize("name", ["é", "\u212a", "a\u017f", "-doctor-", "\0", "a\0b"])
def test_foreign_characters_match_nothing(kernel: Kernel, name: str) -> None:
    """A character that no hash contains always adds one to the distance."""
    query = Query(name, 0, len(name))

    assert expected_scan(query, 0, 700, 0, 700) == kernel.prepare(query).scan(0, 700, 0, 700)


@pytest.mark.parametrize(("ideal", "interesting"), [(7, 0), (0, 7), (7, 7), (100, 0)])
def test_distances_above_the_length_of_the_name_are_refused(
    each_kernel: Kernel, ideal: int, interesting: int
) -> None:
    """No candidate is that far away: the query is not one, whatever the backend."""
    with pytest.raises(ValueError, match="distances must not be above the length of the name"):
        each_kernel.prepare(Query("doctor", ideal, interesting))


@st.composite
def names(draw: st.DrawFn, near: int) -> str:
    """Draw a name: part of the hash at a position near `near`, with a few characters changed."""
    text = texts(near, near + 1).decode()
    length = draw(st.integers(1, 28))
    offset = draw(st.integers(0, 28 - length))
    name = list(text[offset : offset + length])
    for index in draw(st.sets(st.integers(0, length - 1), max_size=4)):
        name[index] = draw(st.sampled_from(SYMBOLS + FOREIGN))
    return "".join(name)


@given(data=st.data())
@settings(max_examples=150, derandomize=True, deadline=None)
def test_agrees_with_the_oracle(kernel: Kernel, data: st.DataObject) -> None:
    """For any query, range, best distance and capacity, the scan returns what the rules say."""
    start = data.draw(
        st.one_of(
            st.integers(0, END - 1),
            st.sampled_from(LENGTH_STARTS).flatmap(lambda p: st.integers(max(0, p - 300), p + 300)),
            st.integers(0, 8).flatmap(lambda n: st.integers(0, 256**n)).filter(lambda p: p < END),
            st.integers(END - 600, END - 1),
        )
    )
    stop = min(start + data.draw(st.integers(1, 600)), END)
    name = data.draw(names(data.draw(st.integers(start, stop - 1))))
    query = Query(name, data.draw(st.integers(0, len(name))), data.draw(st.integers(0, len(name))))
    best_distance = data.draw(st.integers(0, len(name) + 1))
    capacity = data.draw(st.sampled_from([1, 2, 10, 2000]))

    expected = expected_scan(query, start, stop, best_distance, capacity)

    assert expected == kernel.prepare(query).scan(start, stop, best_distance, capacity)
