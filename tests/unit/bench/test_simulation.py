"""The simulation of a search over many servers, in cases that can be computed by hand."""

from dataclasses import replace
from random import Random, SystemRandom

import pytest

from tests.bench.simulation import Costs, Fleet, search, stop_seconds

FREE = Costs(0.0, 0.0, 0.0, (0.0,))
ALIKE = Fleet(10, 20, 30.0, 200, speed_deviation=0.0, network=0.0)


@pytest.fixture
def random() -> Random:
    """A random source whose seed is printed."""
    seed = SystemRandom().randrange(2**32)
    print(f"The seed is {seed}")  # noqa: T201
    return Random(seed)  # noqa: S311  # no secrets


def test_equal_servers_are_never_idle(random: Random) -> None:
    """Ten servers with twenty ranges each need 600 seconds, and all of them search all the time."""
    outcome = search(ALIKE, FREE, random)

    assert 1 == pytest.approx(outcome.efficiency)
    assert 200 / 600 == pytest.approx(outcome.rpcs)
    assert 0 == outcome.load


def test_one_slow_server_slows_down_the_search() -> None:
    """A server of half the speed gets as many ranges as the other: it takes twice as long."""

    class Half(Random):
        speeds = iter((1.0, 0.5))

        def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
            return next(self.speeds)

    outcome = search(replace(ALIKE, servers=2, width=4, ranges=40), FREE, Half())

    assert 40 / 1.5 / 40 == pytest.approx(outcome.efficiency, rel=0.03)


def test_a_server_with_two_ranges_takes_twice_as_long_for_each(random: Random) -> None:
    """A server with all ranges at once needs the time of all of them."""
    outcome = search(replace(ALIKE, servers=1, width=8, ranges=8), FREE, random)

    assert 1 == pytest.approx(outcome.efficiency)
    assert 1 / 30 == pytest.approx(outcome.rpcs)


def test_network_leaves_a_server_with_one_range_idle(random: Random) -> None:
    """The round trip after each range takes 3 of 33 seconds; a second range halves that."""
    far = replace(ALIKE, servers=1, width=1, ranges=1000, network=1.5)

    assert 30 / 33 == pytest.approx(search(far, FREE, random).efficiency, rel=0.01)
    both = search(replace(far, width=2), FREE, random).efficiency
    assert 60 / 63 == pytest.approx(both, rel=0.01)


def test_load_is_what_messages_and_rpcs_cost(random: Random) -> None:
    """Twenty messages a second, and a third of an RPC."""
    outcome = search(ALIKE, Costs(0.03, 0.01, 0.0, (0.0,)), random)

    assert 20 * 0.01 + 0.03 / 3 == pytest.approx(outcome.load, rel=0.01)


def test_a_client_that_cannot_keep_up_leaves_servers_idle(random: Random) -> None:
    """An RPC takes ten seconds: a range starts every ten, for ten servers of 30 seconds each."""
    outcome = search(ALIKE, Costs(10.0, 0.0, 0.0, (0.0,)), random)

    assert 0.3 == pytest.approx(outcome.efficiency, abs=0.02)
    assert 1 == pytest.approx(outcome.load, abs=0.05)


def test_one_client_cancels_one_after_the_other(random: Random) -> None:
    """The match arrives, 20 cancels of 10 ms are sent, and the last search stops after 5 ms."""
    costs = Costs(0.0, 0.0, 0.01, (0.005,))
    fleet = replace(ALIKE, network=0.001)

    assert 0.001 + 20 * 0.01 + 0.001 + 0.005 == pytest.approx(stop_seconds(fleet, costs, random))


def test_a_tree_pays_hops_and_shares_the_cancels(random: Random) -> None:
    """Five clients of four ranges: up, down, five cancels at the root, four at the last client."""
    costs = Costs(0.0, 0.0, 0.01, (0.005,))
    fleet = replace(ALIKE, network=0.001)

    seconds = 0.002 + 2 * 0.011 + 4 * 0.01 + 4 * 0.01 + 0.005
    assert seconds == pytest.approx(stop_seconds(fleet, costs, random, fan_out=5))


def test_stops_are_drawn_from_measured_times(random: Random) -> None:
    """The slowest of hundreds is the slowest measured one."""
    costs = Costs(0.0, 0.0, 0.0, (0.001, 0.25))
    fleet = replace(ALIKE, servers=500, width=1000)

    assert 0.25 == pytest.approx(stop_seconds(fleet, costs, random))
