"""How many cores this process may use."""

import math
import os
from pathlib import Path


def usable_cores(
    cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> int:
    """Return the number of cores that the affinity mask and the CPU quota of the cgroup leave.

    A quota of two and a half cores counts as two: a third worker would be throttled. At least 1.
    Where there is no quota to read, or no cgroup, the mask alone counts.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this operating system
        cores = os.cpu_count() or 1
    return max(1, min(cores, math.floor(_cgroup_quota(cgroups, own))))


def _cgroup_quota(cgroups: Path, own: Path) -> float:
    """Return the smallest CPU quota from our own cgroup up, in cores (cgroup v2 and v1)."""
    quota = float(2**31)
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
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
    v2 = _read(directory / "cpu.max").split()
    v1 = [_read(directory / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    limit, period = v2 or v1
    return int(limit) / int(period) if limit.isdecimal() else math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
