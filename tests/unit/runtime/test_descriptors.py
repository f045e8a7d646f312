"""The number of connections fits the limit of file descriptors."""

import resource

import pytest

from hashfinder.runtime.descriptors import affordable_connections


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(resource.RLIM_INFINITY, 100), (1024, 100), (132, 100), (131, 99), (64, 32), (8, 1)],
)
def test_connections_leave_a_reserve(
    monkeypatch: pytest.MonkeyPatch, limit: int, expected: int
) -> None:
    """What is wanted holds where it fits; else the limit minus the reserve, and at least one."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    assert expected == affordable_connections(100)
