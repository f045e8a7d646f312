"""Every hash, encoding, anchor, alphabet, prefix and suffix, against hashlib and base64."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hashfinder.kernel import Kernel, Scan
from hashfinder_rules.keyspace import ALL_BYTES, Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests.unit.kernel import oracle, schemes

SCHEMES = [
    Scheme(algorithm, encoding, anchor, case_sensitive)
    for algorithm, encoding, anchor, case_sensitive in product(
        Algorithm, Encoding, Anchor, (False, True)
    )
    # the contract requires an anchor for binary
    if (encoding, anchor) != (Encoding.BINARY, Anchor.ANYWHERE)
]
AROUND_BORDERS = [0, 1, *range(50, 71), *range(110, 131), *range(180, 201)]
"""Lengths of prefix and suffix around the ends of one or two blocks of 64 or 128 bytes."""


def label(scheme: Scheme) -> str:
    """Return the scheme as a part of a test's id."""
    parts = (scheme.algorithm.name, scheme.encoding.name, scheme.anchor.name)
    return "-".join([*parts, "cased" if scheme.case_sensitive else "folded"])


def name_near(query: Query, position: int, length: int, offset: int) -> str:
    """Return a part of the text at a position, at a place that the scheme allows."""
    text = schemes.text_at(query, position)
    end = len(text.rstrip("="))
    match query.scheme.anchor:
        case Anchor.START:
            return text[:length]
        case Anchor.END:
            return text[max(0, end - length) : end]
        case Anchor.ANYWHERE:
            return text[offset % len(text) :][:length]


@pytest.mark.parametrize(
    "scheme",
    SCHEMES,
    ids=lambda s: f"{s.algorithm.name}-{s.encoding.name}-{s.anchor.name}-{s.case_sensitive}",
)
def test_finds_what_hashlib_finds(kernel: Kernel, scheme: Scheme) -> None:
    """Names of several lengths, with several distances, up to the ideal candidate and after it."""
    space = Query("", 0, 0, scheme, Keyspace(b"\xffz0", 5), b"prefix", b"suffix")
    longest = scheme.longest_name
    for length in sorted({1, 6, 7, 8, 33, longest - 1, longest} & set(range(1, longest + 1))):
        name = name_near(space, 100, length, 3 * length)
        for distance in {0, 1, len(name) // 2, len(name)}:
            query = replace(space, name=name, interesting_distance=distance)
            scanner = kernel.prepare(query)
            for start in (0, 101):
                expected = schemes.expected_scan(query, start, 243, 9, 243)
                assert expected == scanner.scan(start, 243, 9, 243)


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("size", [2, 3, 16, 62, 256])
def test_searches_small_spaces_whole(kernel: Kernel, algorithm: Algorithm, size: int) -> None:
    """All secrets of each small length, fixed or not, for every start and every end."""
    alphabet = bytes(reversed(ALL_BYTES[:size]))
    for length in (None, 0, 1, 2, 5):
        query = Query("?7", 0, 1, Scheme(algorithm, wildcard="?"), Keyspace(alphabet, length))
        end = min(query.keyspace.end, 40)
        scanner = kernel.prepare(query)
        found = schemes.distances(replace(query, interesting_distance=0), 0, end)
        for start in range(end):
            for stop in {start, start + 1, (start + end) // 2, end}:
                expected = Scan(*oracle.scan(found[start:stop], start, 0, 1, 3, 99))
                assert expected == scanner.scan(start, stop, 3, 99)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_secrets_over_the_ends_of_blocks(kernel: Kernel, algorithm: Algorithm) -> None:
    """A block may end in prefix, secret or suffix, with anything before it."""
    for index, size in enumerate(AROUND_BORDERS):
        other = AROUND_BORDERS[-index]
        for keyspace in (Keyspace(b"ab"), Keyspace(b"0123456789", 20), Keyspace(ALL_BYTES)):
            position = min(keyspace.end // (index + 1), keyspace.end - 30)
            prefix, suffix = bytes((index + i) % 256 for i in range(size)), b"s" * other
            query = Query("", 0, 0, Scheme(algorithm), keyspace, prefix, suffix)
            name = name_near(query, position + 7, 9, 5)
            query = replace(query, name=name, interesting_distance=len(name))
            expected = schemes.expected_scan(query, position, position + 30, 9, 30)
            assert expected == kernel.prepare(query).scan(position, position + 30, 9, 30)


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("size", [0, 1, 30000, 48 * 1024 - 1, 48 * 1024])
def test_the_longest_prefixes_and_suffixes(kernel: Kernel, algorithm: Algorithm, size: int) -> None:
    """Together they have 48 KiB, however divided."""
    prefix, suffix = b"p" * size, b"s" * (48 * 1024 - size)
    query = Query("", 0, 0, Scheme(algorithm), Keyspace(b"01"), prefix, suffix)
    query = replace(query, name=name_near(query, 25, 12, 1), interesting_distance=11)

    expected = schemes.expected_scan(query, 0, 30, 13, 30)

    assert expected == kernel.prepare(query).scan(0, 30, 13, 30)


@pytest.mark.parametrize("length", [63, 64, 65, 127, 1000, 1024])
@pytest.mark.parametrize("alphabet", [b"ba", b"0123456789", ALL_BYTES], ids=len)
def test_long_secrets_of_fixed_length(kernel: Kernel, alphabet: bytes, length: int) -> None:
    """Leading symbols that never change, and the last position of 64 bits."""
    query = Query("A", 0, 1, Scheme(case_sensitive=True), Keyspace(alphabet, length), b"x")
    scanner = kernel.prepare(query)

    for start in (0, 10**18, query.keyspace.end - 40):
        expected = schemes.expected_scan(query, start, start + 40, 2, 40)
        assert expected == scanner.scan(start, start + 40, 2, 40)


def test_a_halted_scan_ends_at_the_end_of_a_length(each_kernel: Kernel) -> None:
    """With a small alphabet many lengths of secrets fit into a group of candidates."""
    query = Query("?a", 0, 2, Scheme(wildcard="?", case_sensitive=True), Keyspace(b"ab"))

    scan = each_kernel.prepare(query).scan(375, 2567, 0, 3000, bytearray([1]))

    assert 375 < scan.stop <= 511
    assert scan.results[-1] < scan.stop


@st.composite
def queries(draw: st.DrawFn) -> tuple[Query, int, int]:
    """Draw a query and a range; the name is a part of one of its texts with some changes."""
    sizes = st.one_of(st.integers(0, 140), st.sampled_from(AROUND_BORDERS))
    alphabet = draw(st.permutations(ALL_BYTES))[: draw(st.integers(2, 256))]
    length = draw(st.one_of(st.none(), st.integers(0, 70), st.integers(0, 1024)))
    keyspace = Keyspace(draw(st.sampled_from([bytes(alphabet), ALL_BYTES, b"01"])), length)
    scheme = replace(draw(st.sampled_from(SCHEMES)), wildcard=draw(st.sampled_from(["", "?", "."])))
    prefix, suffix = (bytes([draw(st.integers(0, 255))]) * draw(sizes) for _ in range(2))
    query = Query("", 0, 0, scheme, keyspace, prefix, suffix)

    end = keyspace.end
    start = draw(st.one_of(st.integers(0, end - 1), st.integers(0, min(end - 1, 5000))))
    stop = min(end, start + draw(st.integers(1, 300)))
    near = draw(st.integers(start, stop - 1))
    offset = draw(st.integers(0, scheme.text_length - 1))
    name = list(name_near(query, near, draw(st.integers(1, scheme.longest_name)), offset))
    for index in draw(st.sets(st.integers(0, len(name) - 1), max_size=4)):
        name[index] = draw(st.sampled_from("aAzZ09+/-_=?.\0é\u212a"))
    distances = [draw(st.integers(0, len(name))) for _ in range(2)]
    query = replace(query, name="".join(name), ideal_distance=min(distances))
    return replace(query, interesting_distance=max(distances)), start, stop


@given(drawn=queries(), best=st.integers(0, 600), capacity=st.sampled_from([1, 2, 10, 300]))
@settings(max_examples=120, derandomize=True, deadline=None)
def test_agrees_for_any_query(
    kernel: Kernel, drawn: tuple[Query, int, int], best: int, capacity: int
) -> None:
    """For any combination, a scan returns what the rules say."""
    query, start, stop = drawn

    expected = schemes.expected_scan(query, start, stop, best, capacity)

    assert expected == kernel.prepare(query).scan(start, stop, best, capacity)
