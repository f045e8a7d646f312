"""How many cores this process may use."""

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """Return the number of cores that the affinity mask and the CPU quota of the cgroup leave.

    A part of a core counts as one: `Pacer` keeps its worker within the part. At least 1. Where
    there is no quota to read, or no cgroup, the mask alone counts.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on this operating system, or refused by it
        cores = os.cpu_count() or 1
    quota = cpu_quota(cgroups, own)
    return max(1, cores if quota >= cores else math.ceil(quota))


def cpu_quota(cgroups: Path = _CGROUPS, own: Path = _OWN) -> float:
    """Return the smallest CPU quota from our own cgroup up, in cores (cgroup v2 and v1).

    Infinity where there is none.
    """
    quota = math.inf
    for line in _read(own).splitlines():
        # hierarchy:controllers:path; no controllers stand in the line of v2
        _, _, entry = line.partition(":")
        controllers, _, path = entry.partition(":")
        if controllers == "":
            root = cgroups
        elif "cpu" in controllers.split(","):
            root = cgroups / "cpu"
        else:
            continue
        group = root / path.lstrip("/")
        for directory in (group, *group.parents):
            quota = min(quota, _quota_of(directory))
            if directory == root:
                break
    return quota


def _quota_of(directory: Path) -> float:
    """Return one cgroup's quota in cores; infinity where it has none, or none that makes sense."""
    words = _read(directory / "cpu.max").split() or [
        _read(directory / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")
    ]
    if len(words) != 2 or not all(word.isdecimal() for word in words):  # noqa: PLR2004
        return math.inf
    limit, period = (int(word) for word in words)
    return limit / period if period else math.inf


def _read(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes())
    except OSError:
        return ""
