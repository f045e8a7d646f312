"""Hostile peers of `tests.attacks`: each leaves the server, and those beside it, at work.

The floods that `stops/test_floods.py` sends are not repeated here.
"""

import pytest

from tests.bench.attack import run_attack

pytestmark = [pytest.mark.security, pytest.mark.timeout(240)]

MEMORY_MB = 300
HEALTH_SECONDS = 1.0
SECONDS = 2.0


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("PING", SECONDS),
        ("`Watch`", SECONDS),
        ("`Estimate`", SECONDS),
        ("reflection with nonsense", SECONDS),
        ("gzip bomb, 50 MB each", SECONDS),
        ("2,000 connections that say nothing", 12.0),
        ("2,000 connections with half a preface", 12.0),
        ("2,000 connections without an RPC", SECONDS),
        ("400 streams that nobody reads", SECONDS),
        ("slowloris on the metrics port", SECONDS),
    ],
)
def test_attack_harms_nobody(name: str, seconds: float) -> None:
    """Health answers, a neighbour's search goes on, memory is bounded, a search afterwards ends."""
    result = run_attack(name, seconds)

    print(damage)  # noqa: T201  # shown when the test fails
    assert damage.health_p50 < HEALTH_SECONDS
    assert damage.peak_mb < MEMORY_MB
    assert damage.neighbour > 0
    assert damage.search_after < 30
    if "say nothing" in name or "half a preface" in name:
        assert "closed by the server: 2,000" in damage.outcome
