"""Chooses a kernel by name."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from hashfinder.domain.errors import KernelUnavailableError
from hashfinder.kernel.interface import Kernel
from hashfinder.kernel.python import PythonKernel


def load_kernel(choice: str = "auto") -> Kernel:
    """Return the kernel that `choice` names.

    Args:
        choice: ``auto``, the fastest that this build and this CPU have; ``native``, the fastest
            one in C; or a backend by its exact name (`available_backends`).

    Raises:
        KernelUnavailableError: this build or this CPU has no such kernel.
    """
    factories = _factories()
    native = [name for name in factories if name != PythonKernel.backend]
    if choice == "auto":
        return next(iter(factories.values()))()
    if choice == "native" and native:
        return factories[native[0]]()
    if choice in factories:
        return factories[choice]()
    allowed = ", ".join(["auto", *(["native"] if native else []), *factories])
    if choice.startswith("native") and not native:
        reason = "the native kernel is not part of this build"
    else:
        reason = "neither this build nor this CPU has it"
    message = f"no kernel {choice!r}: {reason}; choose one of: {allowed}"
    raise KernelUnavailableError(message)


def available_backends() -> tuple[str, ...]:
    """Return the names of the backends that this build and this CPU have, the fastest first."""
    return tuple(_factories())


def _factories() -> dict[str, Callable[[], Kernel]]:
    """Return what makes each available backend, the fastest first."""
    factories: dict[str, Callable[[], Kernel]] = {}
    # Looked for rather than tried: an extension that is there but does not load is a fault to show.
    if find_spec("hashfinder.kernel._native") is not None:
        from hashfinder.kernel.native import NativeKernel, supported_variants  # noqa: PLC0415

        factories = {
            f"native-{variant}": partial(NativeKernel, variant) for variant in supported_variants()
        }
    return {**factories, PythonKernel.backend: PythonKernel}
