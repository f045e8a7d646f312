"""Hypothesis strategies for schemes, keyspaces and queries that the contract allows."""

from hypothesis import assume
from hypothesis import strategies as st

from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from hashfinder_rules.violations import violations

WILDCARDS = ["", "?", ".", "·", "!"]


@st.composite
def schemes(draw: st.DrawFn) -> Scheme:
    """Draw any scheme that the contract allows."""
    encoding = draw(st.sampled_from(Encoding))
    anchors = [a for a in Anchor if encoding is not Encoding.BINARY or a is not Anchor.ANYWHERE]
    return Scheme(
        draw(st.sampled_from(Algorithm)),
        encoding,
        draw(st.sampled_from(anchors)),
        draw(st.booleans()),
        draw(st.sampled_from(WILDCARDS)),
    )


@st.composite
def keyspaces(draw: st.DrawFn) -> Keyspace:
    """Draw any keyspace that the contract allows, preferring small lengths."""
    alphabet = bytes(draw(st.lists(st.integers(0, 255), min_size=2, max_size=20, unique=True)))
    if draw(st.booleans()):
        alphabet = bytes(range(256))
    length = draw(st.none() | st.integers(0, 4) | st.integers(0, 1024))
    return Keyspace(alphabet, length)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Draw any query that the contract allows."""
    scheme = draw(schemes())
    longest = draw(st.sampled_from([4, scheme.longest_name]))
    symbols = scheme.encoding.symbols + scheme.encoding.symbols.swapcase() + scheme.wildcard
    name = draw(st.text(symbols, min_size=1, max_size=longest))
    query = Query(
        name,
        draw(st.integers(0, len(name))),
        draw(st.integers(0, len(name))),
        scheme,
        draw(keyspaces()),
        draw(st.binary(max_size=150)),
        draw(st.binary(max_size=150)),
    )
    assume(not violations(query))
    return query
