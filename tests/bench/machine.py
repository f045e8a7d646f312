"""The machine's speed and its other load: without them, no figure of a bench means much."""

import os
import platform
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from hashfinder.kernel import Kernel, load_kernel
from hashfinder_rules.query import Query

CHUNK = 2**18
"""Some milliseconds for a fast kernel, like the scheduler's chunks."""
CORES = os.cpu_count() or 1
_TICK = os.sysconf("SC_CLK_TCK")
_VECTORS = {"avx2", "sha_ni", "avx512f", "avx512vbmi", "avx512_bf16", "asimd", "sve"}


def bare_rate(kernel: Kernel, threads: int, seconds: float) -> float:
    """Return the hashes per CPU second of the bare kernel, on `threads` threads at once."""
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


def description() -> dict[str, str]:
    """Return the properties of this machine that affect figures. VMs hide the CPU's trade name."""
    facts: dict[str, str] = dict(
        re.findall(r"^(.+?)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    )
    name = facts.get("model name", platform.machine())
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    return {
        "cpu": f"{name}, family {facts.get('cpu family', '?')}, model {facts.get('model', '?')}",
        "cores": str(CORES),
        "vectors": ", ".join(sorted(flags & _VECTORS)) or "none that the kernel knows",
        "kernel": load_kernel().backend,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


@dataclass(frozen=True)
class CpuTimes:
    """CPU seconds since the start of the machine or of a process."""

    at: float
    """The time of the monotonic clock."""
    busy: float
    """The CPU seconds of the whole machine, stolen time included."""
    ours: float
    """The CPU seconds of this process and its children."""

    @classmethod
    def now(cls) -> "CpuTimes":
        """Return the times so far, children that have ended included."""
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        user, nice, system, _idle, _iowait, irq, softirq, steal = fields
        busy = (user + nice + system + irq + softirq + steal) / _TICK
        return cls(time.monotonic(), busy, cpu_seconds(os.getpid()))

    def others_since(self, earlier: "CpuTimes") -> float:
        """Return the share of the machine that others used since `earlier`, the OS included."""
        theirs = self.busy - earlier.busy - (self.ours - earlier.ours)
        return max(0.0, theirs) / (CORES * max(_TICK**-1, self.at - earlier.at))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, its children, and those that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = sum(int(word) for word in fields[11:15]) / _TICK
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return seconds + sum(cpu_seconds(int(child)) for child in children)


def worker_seconds(pid: int) -> float:
    """Return the CPU seconds of a server's workers: its threads that yield to its main one."""
    stats = Path(f"/proc/{pid}/task").glob("*/stat")
    threads = [each.read_text().rpartition(")")[2].split() for each in stats]
    nice = min(int(fields[16]) for fields in threads)
    ticks = [fields[11:13] for fields in threads if int(fields[16]) > nice]
    return sum(int(word) for words in ticks for word in words) / _TICK
