"""Turns by weight, in virtual time, so exact."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.scheduling.weighted_queue import WeightedQueue


def served(queue: WeightedQueue[str], turns: int) -> list[str]:
    """Return who gets the next turns; each item is pushed again, like a search with more work."""
    order = []
    for _ in range(turns):
        item = queue.pop()
        order.append(item)
        queue.push(item[0], item)
    return order


def filled(weights: Mapping[str, float], *items: str) -> WeightedQueue[str]:
    """Return a queue of items whose first letter is their client; the default weight is 1."""
    queue: WeightedQueue[str] = WeightedQueue(lambda client: weights.get(client, 1))
    for item in items:
        queue.push(item[0], item)
    return queue


def test_shares_equal_the_weights() -> None:
    """1, 2 and 4 get as many of every seven turns, however many items each client has."""
    queue = filled({"b": 2, "c": 4}, "a0", "a1", "a2", "a3", "b0", "c0")
    for _ in range(100):
        turns = Counter(item[0] for item in served(queue, 7))
        assert {"a": 1, "b": 2, "c": 4} == turns


def test_equal_weights_are_round_robin_over_clients() -> None:
    """Within a client, its items take turns."""
    queue = filled({}, "a0", "a1", "b0", "c0")
    assert ["a0", "b0", "c0", "a1", "b0", "c0", "a0"] == served(queue, 7)


def test_changed_weight_applies_from_the_next_turn() -> None:
    """Also to a waiting client, when a policy is reloaded."""
    weights = {"a": 1, "b": 1}
    queue = filled(weights, "a0", "b0")
    served(queue, 2)
    weights["b"] = 3
    served(queue, 2)  # one turn each was decided before
    assert Counter({"a0": 10, "b0": 30}) == Counter(served(queue, 40))


def test_new_clients_cannot_starve_others() -> None:
    """Each new name waits for a round like all others, so that the others get their turns."""
    queue = filled({}, "a0")
    before: list[str] = []
    for n in range(1000):
        queue.push(f"new {n}", "n")
        before.append(queue.pop())
        if before[-1] == "a0":
            queue.push("a", "a0")
    # Each turn of "a" adds another new client, which the next round must serve.
    assert before.count("a0") >= 40


def test_empty_queue_has_nothing_to_pop() -> None:
    """Popping raises an error, also after the queue has held something."""
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
    """While all have work: within one turn per client of the exact share at any moment."""
    by_name = {chr(ord("a") + n): weight for n, weight in enumerate(weights)}
    queue = filled(by_name, *by_name)
    had = Counter(served(queue, turns))
    for name, weight in by_name.items():
        exact = turns * weight / sum(weights)
        assert abs(had[name] - exact) <= len(weights)
