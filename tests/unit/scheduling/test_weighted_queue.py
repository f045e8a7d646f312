"""Turns by weight, in virtual time: exact, with no clock."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.scheduling.weighted_queue import WeightedQueue


def served(queue: WeightedQueue[str], turns: int) -> list[str]:
    """Return who has the next turns; each comes back at once, as a search with more to do."""
    order = []
    for _ in range(turns):
        item = queue.pop()
        order.append(item)
        queue.push(item[0], item)
    return order


def filled(weights: Mapping[str, float], *items: str) -> WeightedQueue[str]:
    """Return a queue of items whose first letter is their client; a weight left out is 1."""
    queue: WeightedQueue[str] = WeightedQueue(lambda client: weights.get(client, 1))
    for item in items:
        queue.push(item[0], item)
    return queue


def test_shares_are_exactly_as_the_weights() -> None:
    """1, 2 and 4 give each their seventh parts, in every seven turns, whoever has more items."""
    queue = filled({"b": 2, "c": 4}, "a0", "a1", "a2", "a3", "b0", "c0")
    for _ in range(100):
        turns = Counter(item[0] for item in served(queue, 7))
        assert {"a": 1, "b": 2, "c": 4} == turns


def test_equal_weights_are_round_robin_over_clients() -> None:
    """Then over the items of each."""
    queue = filled({}, "a0", "a1", "b0", "c0")
    assert ["a0", "b0", "c0", "a1", "b0", "c0", "a0"] == served(queue, 7)


def test_changed_weight_counts_from_the_next_turn() -> None:
    """Of a client that waits, too: a policy is reloaded under way."""
    weights = {"a": 1, "b": 1}
    queue = filled(weights, "a0", "b0")
    served(queue, 2)
    weights["b"] = 3
    served(queue, 2)  # one turn each was decided before
    assert Counter({"a0": 10, "b0": 30}) == Counter(served(queue, 40))


def test_newcomer_cannot_hold_up_others_by_coming_again() -> None:
    """Each new name waits for a round like any other, and so the others have their turns."""
    queue = filled({}, "a0")
    before: list[str] = []
    for n in range(1000):
        queue.push(f"new {n}", "n")
        before.append(queue.pop())
        if before[-1] == "a0":
            queue.push("a", "a0")
    # Each turn of "a" leaves one more newcomer waiting, which the next round has to serve.
    assert before.count("a0") >= 40


def test_empty_queue_has_nothing_to_pop() -> None:
    """It says so, also after it held something."""
    queue = filled({}, "a0")
    assert queue
    queue.pop()
    assert not queue
    with pytest.raises(IndexError):
        queue.pop()


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(1, 500))
def test_no_client_is_ever_more_than_a_turn_behind_its_share(
    weights: list[int], turns: int
) -> None:
    """At any moment, while all have work: within one turn for each client of the exact share."""
    by_name = {chr(ord("a") + n): weight for n, weight in enumerate(weights)}
    queue = filled(by_name, *by_name)
    had = Counter(served(queue, turns))
    for name, weight in by_name.items():
        exact = turns * weight / sum(weights)
        assert abs(had[name] - exact) <= len(weights)
