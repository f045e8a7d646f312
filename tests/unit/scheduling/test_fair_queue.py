"""Round robin over clients, then over each client's items."""

from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.scheduling.fair_queue import FairQueue

clients = st.sampled_from("abcde")


def drained(queue: FairQueue[str]) -> list[str]:
    """Return all items in the order in which they are popped."""
    return [queue.pop() for _ in range(len(queue))]


def filled(*items: str) -> FairQueue[str]:
    """Return a queue of items whose first letter is their client."""
    queue: FairQueue[str] = FairQueue()
    for item in items:
        queue.push(item[0], item)
    return queue


def test_client_with_many_items_gets_one_turn_a_round() -> None:
    """A hundred items of one client do not delay the single item of another."""
    queue = filled(*(f"a{n}" for n in range(100)), "b0", "c0", "c1")
    assert ["a0", "b0", "c0", "a1", "c1", "a2", "a3"] == [queue.pop() for _ in range(7)]


def test_new_client_comes_up_within_one_round() -> None:
    """It follows all clients that already wait, with one item each."""
    queue = filled("a0", "b0", "c0", "a1", "b1", "c1")
    queue.pop()
    queue.push("n", "n0")
    assert ["b0", "c0", "a1", "n0"] == [queue.pop() for _ in range(4)]


def test_client_that_returns_gains_no_turn() -> None:
    """A client that leaves the queue and pushes again is last in the round, as if it had stayed."""
    queue = filled("a0", "b0")
    order = []
    for _ in range(6):
        item = queue.pop()
        order.append(item)
        queue.push(item[0], item)
    assert ["a0", "b0"] * 3 == order


def test_empty_queue_has_nothing_to_pop() -> None:
    """Popping raises an error, also after the queue has held something."""
    queue = filled("a0")
    queue.pop()
    assert 0 == len(queue)
    with pytest.raises(KeyError):
        queue.pop()


def test_discard_removes_one_item_and_leaves_the_order_of_the_others() -> None:
    """A client keeps its place in the round while it has other items."""
    queue = filled("a0", "b0", "c0", "b1", "d0")
    queue.discard("b", "b0")
    queue.discard("d", "d0")
    queue.discard("d", "d0")  # not in the queue any more
    queue.discard("x", "x0")  # never in the queue
    queue.discard("a", "b1")  # another client's
    assert 3 == len(queue)
    assert ["a0", "b1", "c0"] == drained(queue)


@given(st.lists(clients))
def test_each_round_holds_every_waiting_client_once(pushed: list[str]) -> None:
    """Clients are in the order of arrival, and so are the items of each client."""
    items = [f"{client}{n}" for n, client in enumerate(pushed)]
    queue = filled(*items)
    left = {client: [i for i in items if i[0] == client] for client in dict.fromkeys(pushed)}
    expected = []
    while any(left.values()):
        expected += [mine.pop(0) for mine in left.values() if mine]

    assert len(items) == len(queue)
    assert expected == drained(queue)


@given(st.lists(st.tuples(st.sampled_from(("push", "pop", "discard")), clients, st.integers(0, 9))))
def test_no_client_waits_longer_than_a_round_whatever_the_others_do(
    actions: list[tuple[str, str, int]],
) -> None:
    """Between two turns of a waiting client, every other client has at most one turn."""
    queue: FairQueue[tuple[str, int]] = FairQueue()
    held: dict[str, deque[int]] = {}
    turns_since: dict[str, Counter[str]] = {}
    for action, client, item in actions:
        if action == "push":
            if not held.get(client):
                turns_since[client] = Counter()
            queue.push(client, (client, item))
            held.setdefault(client, deque()).append(item)
        elif action == "discard":
            queue.discard(client, (client, item))
            if item in held.get(client, ()):
                held[client].remove(item)
        elif queue:
            popped, value = queue.pop()
            assert held[popped].popleft() == value
            for waiting in (name for name, items in held.items() if items and name != popped):
                turns_since[waiting][popped] += 1
                assert turns_since[waiting][popped] <= 1
            turns_since[popped] = Counter()
        assert sum(map(len, held.values())) == len(queue)
