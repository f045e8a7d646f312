"""The kernels of this build that this CPU can run: all at once, or each in turn."""

from collections.abc import Mapping

import pytest

from hashfinder.kernel import Kernel, Scan, Scanner, available_backends, load_kernel
from hashfinder_rules.query import Query

NATIVE = [name for name in available_backends() if name != "python"]


class Unison:
    """Several backends as one kernel, which requires that all of them return the same.

    Computing what a scan must return takes far longer than the scan, so it is computed once.
    """

    backend = "unison"

    def __init__(self, names: list[str]) -> None:
        """Load the backends of these names."""
        self._kernels = {name: load_kernel(name) for name in names}

    def prepare(self, query: Query) -> Scanner:
        """Return what scans with all backends."""
        return _Scanners({name: kernel.prepare(query) for name, kernel in self._kernels.items()})


class _Scanners:
    def __init__(self, scanners: Mapping[str, Scanner]) -> None:
        self._scanners = scanners

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        assert halt is None, "where a scan halts is not the same for all"
        scans = {
            name: scanner.scan(start, stop, best_distance, capacity)
            for name, scanner in self._scanners.items()
        }
        reference, *_ = scans.values()
        assert dict.fromkeys(scans, reference) == scans
        return reference


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    """All backends at once."""
    return Unison(list(available_backends()))


@pytest.fixture(scope="session")
def native_kernel() -> Kernel:
    """All backends in C at once."""
    return Unison(NATIVE)


@pytest.fixture(params=available_backends(), scope="session")
def each_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each backend in turn."""
    return load_kernel(request.param)


@pytest.fixture(params=NATIVE, scope="session")
def each_native_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each backend in C in turn."""
    return load_kernel(request.param)
