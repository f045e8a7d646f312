"""Numbers out of range are refused with their name and range (fault 29)."""

import math
from collections.abc import Callable

import pytest

from hashfinder_client import Finder, RetryPolicy
from hashfinder_client.division import Division

TARGET = "127.0.0.1:1"
NAN = float("nan")


def find(timeout: float = 1.0, shards: int = 1) -> object:
    """Search where there is no server."""
    with Finder(TARGET) as finder:
        return finder.find("a", timeout=timeout, shards=shards)


CASES: list[tuple[Callable[[], object], str, str]] = [
    (lambda: Finder(TARGET, timeout=NAN), "timeout", "0 or more"),
    (lambda: Finder(TARGET, timeout=-1), "timeout", "0 or more"),
    (lambda: find(timeout=NAN), "timeout", "0 or more"),
    (lambda: find(timeout=-1e-9), "timeout", "0 or more"),
    (lambda: find(shards=0), "width", "1 or more"),
    (lambda: Finder(TARGET, progress_interval=NAN), "progress_interval", "0.05 to 3600"),
    (lambda: Finder(TARGET, progress_interval=0), "progress_interval", "0.05 to 3600"),
    (lambda: Finder(TARGET, progress_interval=math.inf), "progress_interval", "0.05 to 3600"),
    (lambda: RetryPolicy(retries=-1), "retries", "0 or more"),
    (lambda: RetryPolicy(retries=1.5), "retries", "0 or more"),  # type: ignore[arg-type]
    (lambda: RetryPolicy(first_delay=NAN), "first_delay", "0 to 86400"),
    (lambda: RetryPolicy(first_delay=-1), "first_delay", "0 to 86400"),
    (lambda: RetryPolicy(longest_delay=math.inf), "longest_delay", "0 to 86400"),
    (lambda: Division(range_size=0), "range_size", "1 or more"),
    (lambda: Division(range_size=1, index=2, count=2), "index", "0 to 1"),
]


@pytest.mark.parametrize(("make", "name", "allowed"), CASES, ids=map(str, range(len(CASES))))
def test_number_out_of_range(make: Callable[[], object], name: str, allowed: str) -> None:
    """The error names the argument and the allowed values."""
    with pytest.raises(ValueError, match=f"^{name} must be .*{allowed}"):
        make()


@pytest.mark.parametrize("timeout", [1e10, 1e300, math.inf])
def test_long_times(timeout: float) -> None:
    """A timeout of centuries, or of infinity, means that the RPC has no deadline."""
    with Finder(TARGET, timeout=timeout) as finder:
        search = finder._settings.begin("a", None, None)  # noqa: SLF001 - no server is needed
        (leg,) = search.begin()
        assert leg.search.remaining() is None
