"""How many connections this process has file descriptors for."""

import resource

_RESERVED = 32
"""Descriptors for all else: listeners, scrapes of metrics, the kernel's library, the log."""


def affordable_connections(wanted: int, others: int = 0) -> int:
    """Return `wanted`, or, if that is less, what RLIMIT_NOFILE leaves beside a reserve.

    The reserve has room for `others`, connections of another kind.

    At least 1.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(1, most - _RESERVED - others))
