"""Scores of candidates, for any query, against the oracle."""

from hypothesis import given
from hypothesis import strategies as st

from hashfinder_rules.candidate import Candidate
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Encoding, Scheme
from hashfinder_rules.score import distance, match
from tests import oracle
from tests.unit.rules.schemes import queries


@given(query=queries(), data=st.data())
def test_a_candidate_has_the_score_of_its_whole_message(query: Query, data: st.DataObject) -> None:
    """The score is that of prefix, secret and suffix, at the first place of least distance."""
    position = data.draw(st.integers(0, query.keyspace.end - 1))
    candidate = Candidate.at(position, query)
    scheme = query.scheme
    message = query.secret_prefix + candidate.secret + query.secret_suffix
    text = oracle.hash_text(scheme.algorithm.name, scheme.encoding.name, message)
    expected = oracle.best_match(
        query.name,
        text,
        scheme.anchor.name,
        scheme.wildcard,
        case_sensitive=scheme.case_sensitive,
    )
    assert text == candidate.hashed_name
    assert expected == (candidate.distance, candidate.offset)
    assert expected[0] == distance(query.name, text, scheme)
    assert message == query.message_at(position)
    assert candidate == Candidate.of(candidate.secret, query)


def test_hex_and_base32_fold_unless_case_counts() -> None:
    """`DEAD` occurs in lower-case hex only if case does not count."""
    text = "dead" + "0" * 36
    assert (0, 0) == match("DEAD", text, Scheme(encoding=Encoding.HEX))
    assert (4, 0) == match("DEAD", text, Scheme(encoding=Encoding.HEX, case_sensitive=True))
    upper = "ABCD" * 8
    assert (0, 0) == match("abcd", upper, Scheme(encoding=Encoding.BASE32))


def test_a_wildcard_is_itself_alone() -> None:
    """The wildcard x does not turn X into one; it also matches padding."""
    scheme = Scheme(encoding=Encoding.HEX, wildcard="x")
    assert (1, 0) == match("0Xx", "0a" * 20, scheme)
    assert 0 == distance("?" * 27 + "?", "A" * 27 + "=", Scheme(wildcard="?"))


def test_a_candidate_costs_the_blocks_from_its_last_byte_on() -> None:
    """A prefix that candidates share is free; every block of the suffix counts, for each length."""
    assert [1, 1] == [Query("a").blocks_per_candidate(n) for n in (0, 8)]
    assert 1 == Query("a", secret_prefix=bytes(48_000)).blocks_per_candidate(4)
    assert 6 == Query("a", secret_suffix=bytes(5 * 64)).blocks_per_candidate(4)
    assert 2 == Query("a", secret_prefix=bytes(50)).blocks_per_candidate(6)
    assert 1 == Query("a", secret_prefix=bytes(60)).blocks_per_candidate(6)
    sha512 = Scheme(Algorithm.SHA512)
    assert 3 == Query("a", scheme=sha512, secret_suffix=bytes(5 * 64)).blocks_per_candidate(4)


def test_a_range_costs_the_sum_of_its_candidates() -> None:
    """This includes ranges over several lengths."""
    query = Query("a", secret_prefix=bytes(53))
    cost = [query.blocks_per_candidate(len(query.keyspace.secret_at(p))) for p in range(66_000)]
    assert {1, 2} == set(cost)
    for start, stop in [(0, 0), (0, 1), (0, 66_000), (255, 258), (256, 65_795), (300, 400)]:
        assert sum(cost[start:stop]) == query.blocks_between(start, stop)
