"""Kernel selection by name and by CPU."""

import pytest

from hashfinder.domain.errors import KernelUnavailableError
from hashfinder.kernel import available_backends, load_kernel, selection


def test_the_python_kernel_is_always_available() -> None:
    """It is the last of the kernels, after all faster ones."""
    assert "python" == available_backends()[-1]


def test_auto_is_the_fastest() -> None:
    """By default the first kernel is chosen."""
    assert available_backends()[0] == load_kernel().backend == load_kernel("auto").backend


@pytest.mark.parametrize("name", available_backends())
def test_a_backend_is_chosen_by_its_name(name: str) -> None:
    """The kernel has the name that selected it."""
    assert name == load_kernel(name).backend


@pytest.mark.parametrize("choice", ["", "fast", "Native", "native-avx1024"])
def test_an_unknown_name_is_refused(choice: str) -> None:
    """The error has the name and the allowed names."""
    with pytest.raises(KernelUnavailableError) as caught:
        load_kernel(choice)

    assert repr(choice) in str(caught.value)
    assert str(caught.value).endswith(f"{', '.join(available_backends())}")
    assert "auto, " in str(caught.value)


@pytest.mark.parametrize("choice", ["native", "native-baseline"])
def test_a_build_without_c_has_no_native_kernel(
    monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    """Then auto selects the Python kernel, and native is an error, never a silent fallback."""
    monkeypatch.setattr(selection, "find_spec", lambda _name: None)

    assert "python" == load_kernel("auto").backend
    with pytest.raises(KernelUnavailableError, match=r"not part of this build.*: auto, python$"):
        load_kernel(choice)
