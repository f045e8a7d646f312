"""The pace of one worker, so that the process stays below its CPU quota."""

import math

import pytest

from hashfinder.runtime.pacer import Pacer


class Machine:
    """Clocks of a process whose other threads use a steady part of the CPU."""

    def __init__(self, quota: float, others: float) -> None:
        """Begin at 0."""
        self.wall = self.cpu = 0.0
        self.others = others
        self.pacer = Pacer(quota, lambda: self.wall, lambda: self.cpu)

    def let_pass(self, seconds: float, own: float = 0.0) -> None:
        """Let time pass in which the paced worker uses `own` CPU seconds."""
        self.wall += seconds
        self.cpu += seconds * self.others + own

    def work(self, seconds: float, chunk: float = 0.004) -> float:
        """Work in chunks until `seconds` have passed; return the CPU that the process used."""
        until, cpu = self.wall + seconds, self.cpu
        while self.wall < until:
            self.let_pass(chunk, own=chunk)
            while pause := self.pacer.pause():
                assert 0 < pause <= 0.05
                self.let_pass(pause)
        return self.cpu - cpu


@pytest.mark.parametrize(
    ("quota", "others"), [(1.5, 1.0), (1.5, 1.2), (0.5, 0.0), (0.3, 0.1), (2.0, 1.3), (7.25, 7.0)]
)
def test_process_uses_its_quota_and_no_more(quota: float, others: float) -> None:
    """Whatever the other threads use, in every tenth of a second."""
    machine = Machine(quota, others)
    machine.work(1)
    for _ in range(20):
        began = machine.wall
        used = machine.work(0.1)
        assert used <= quota * (machine.wall - began) + 0.006  # a chunk, and a little
    began = machine.wall
    used = machine.work(10)
    assert pytest.approx(quota * 0.97, rel=0.03) == used / (machine.wall - began)


def test_process_below_its_quota_never_pauses() -> None:
    """As on a machine that has fewer cores than the quota allows."""
    machine = Machine(quota=4, others=1)
    for _ in range(1000):
        machine.let_pass(0.004, own=0.004)
        assert 0.0 == machine.pacer.pause()


def test_little_idle_time_is_credited() -> None:
    """The system saves none: after an hour the worker still runs no more than the quota allows."""
    machine = Machine(quota=0.5, others=0)
    machine.let_pass(3600)
    assert machine.work(0.1) <= 0.5 * 0.1 + 0.01


def test_debt_of_a_storm_is_bounded() -> None:
    """Where other threads overdrew the quota for long, the worker is back after moments."""
    machine = Machine(quota=1.5, others=8)
    machine.let_pass(60)
    machine.pacer.pause()
    machine.others = 1.0
    began = machine.wall
    while pause := machine.pacer.pause():
        machine.let_pass(pause)
    assert machine.wall - began < 0.5


def test_no_quota_is_no_pause() -> None:
    """And the clocks are not asked."""

    def fail() -> float:
        raise AssertionError

    times = iter([0.0])
    pacer = Pacer(math.inf, lambda: next(times), lambda: 0.0)
    for _ in range(3):
        assert 0.0 == pacer.pause()
