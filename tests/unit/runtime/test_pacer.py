"""The pace of a worker that keeps the process below its CPU quota."""

import math

import pytest

from hashfinder.runtime.pacer import Pacer


class Machine:
    """The clocks of a process whose other threads use a constant share of the CPU."""

    def __init__(self, quota: float, others: float) -> None:
        """Start at time 0."""
        self.wall = self.cpu = 0.0
        self.others = others
        self.pacer = Pacer(quota, lambda: self.wall, lambda: self.cpu)

    def let_pass(self, seconds: float, own: float = 0.0) -> None:
        """Advance the time; meanwhile the paced worker uses `own` CPU seconds."""
        self.wall += seconds
        self.cpu += seconds * self.others + own

    def work(self, seconds: float, chunk: float = 0.004) -> float:
        """Work in chunks for `seconds`; return the CPU time that the process used."""
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
def test_process_uses_exactly_its_quota(quota: float, others: float) -> None:
    """Whatever the other threads use, in every tenth of a second."""
    machine = Machine(quota, others)
    machine.work(1)
    for _ in range(20):
        began = machine.wall
        used = machine.work(0.1)
        assert used <= quota * (machine.wall - began) + 0.006  # a chunk, and a little more
    began = machine.wall
    used = machine.work(10)
    assert pytest.approx(quota * 0.97, rel=0.03) == used / (machine.wall - began)


def test_process_below_its_quota_never_pauses() -> None:
    """As on a machine with fewer cores than the quota."""
    machine = Machine(quota=4, others=1)
    for _ in range(1000):
        machine.let_pass(0.004, own=0.004)
        assert 0.0 == machine.pacer.pause()


def test_idle_time_is_hardly_credited() -> None:
    """The system saves none: after an hour of rest the worker is still limited to the quota."""
    machine = Machine(quota=0.5, others=0)
    machine.let_pass(3600)
    assert machine.work(0.1) <= 0.5 * 0.1 + 0.01


def test_debt_is_limited() -> None:
    """If other threads overdrew the quota for long, the worker resumes after a moment."""
    machine = Machine(quota=1.5, others=8)
    machine.let_pass(60)
    machine.pacer.pause()
    machine.others = 1.0
    began = machine.wall
    while pause := machine.pacer.pause():
        machine.let_pass(pause)
    assert machine.wall - began < 0.5


def test_without_a_quota_there_is_no_pause() -> None:
    """The clocks are not read."""

    def fail() -> float:
        raise AssertionError

    times = iter([0.0])
    pacer = Pacer(math.inf, lambda: next(times), lambda: 0.0)
    for _ in range(3):
        assert 0.0 == pacer.pause()
