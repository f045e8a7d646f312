"""What the machine can do, and who else uses it: without that, no number of a bench means much."""

import os
import platform
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from hashfinder.kernel import Kernel
from hashfinder_rules.query import Query

CHUNK = 2**18
"""Some milliseconds for a fast kernel, as the scheduler's chunks."""
_TICK = os.sysconf("SC_CLK_TCK")


def bare_rate(kernel: Kernel, threads: int, seconds: float) -> float:
    """Return how many hashes a CPU second of the kernel alone computes, on `threads` at once."""
    scanned: list[tuple[int, float]] = []
    end = time.monotonic() + seconds

    def scan() -> None:
        scanner = kernel.prepare(Query("hopeless000000", 0))
        position = 0
        began = time.thread_time()
        while time.monotonic() < end:
            position = scanner.scan(position, position + CHUNK, 1, 1).stop
        scanned.append((position, time.thread_time() - began))

    workers = [threading.Thread(target=scan) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(hashes for hashes, _ in scanned) / sum(cpu for _, cpu in scanned)


def cpu_name() -> str:
    """Return the CPU's name, where the system tells it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


@dataclass(frozen=True)
class CpuTimes:
    """CPU seconds since the machine, or the processes, began."""

    busy: float
    """Of the whole machine, stolen time included."""
    ours: float
    """Of this process and its children."""

    @classmethod
    def now(cls) -> "CpuTimes":
        """Return the times so far; those of children that have ended are included."""
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        user, nice, system, _idle, _iowait, irq, softirq, steal = fields
        busy = (user + nice + system + irq + softirq + steal) / _TICK
        return cls(busy, cpu_seconds(os.getpid()))

    def others_since(self, earlier: "CpuTimes") -> float:
        """Return how many CPU seconds others have used since `earlier`, the OS included."""
        return max(0.0, self.busy - earlier.busy - (self.ours - earlier.ours))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, its living children, and those it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = sum(int(word) for word in fields[11:15]) / _TICK
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return seconds + sum(cpu_seconds(int(child)) for child in children)
