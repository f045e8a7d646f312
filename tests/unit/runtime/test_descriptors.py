"""The number of connections is adapted to the limit of file descriptors."""

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
    """The wanted number if it fits, else the limit minus a reserve, but at least one."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    assert expected == affordable_connections(100)
