"""The kernels of this build that this CPU can run."""

import pytest

from hashfinder.kernel import Kernel, available_backends, load_kernel


@pytest.fixture(params=available_backends(), scope="session")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each available backend in turn."""
    return load_kernel(request.param)


@pytest.fixture(params=[name for name in available_backends() if name != "python"], scope="session")
def native_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each available backend in C in turn."""
    return load_kernel(request.param)
