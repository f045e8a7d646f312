"""What `make bench-kernel` compares the kernel with: OpenSSL, hashcat, and the CPU's limit."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from hashfinder.kernel import available_backends
from tests.bench.machine import cpu_seconds

OPERATIONS = 645 / 16
"""Vector operations per candidate, counted in the source: see docs/kernel.md."""


def openssl_rate() -> float:
    """Return how many messages of 16 bytes OpenSSL hashes in a second of CPU time."""
    command = ["openssl", "speed", "-seconds", "1", "-evp", "sha1", "-bytes", "16"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r"(\d+) sha1(?: ops)?(?:'s)? in ([\d.]+)s", output)
    if not found:
        message = f"openssl speed printed no rate: {output}"
        raise RuntimeError(message)
    return int(found[1]) / float(found[2])


def has_hashcat() -> bool:
    """Return whether hashcat and OpenCL for the CPU are installed.

    On Debian that is pocl-opencl-icd with ocl-icd-libopencl1.
    """
    if not shutil.which("hashcat"):
        return False
    command = ["hashcat", "-I", "--force"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "Backend Device ID" in output


def hashcat_rate() -> float:
    """Return how many candidates hashcat hashes in a second of CPU time, without a score.

    It tries all strings of 8 small letters against a hash that none of them has, for a few seconds.
    It compiles and tunes before its first report, so only the time between the first and the last
    report counts.
    """
    command = ["hashcat", "-m", "100", "-a", "3", "-D", "1", "--force", "-O", "--runtime", "6"]
    command += ["--potfile-disable", "--self-test-disable", "--status", "--status-json"]
    command += ["--status-timer", "1", "0" * 40, "?l?l?l?l?l?l?l?l"]
    reports = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            found = re.search(r'"progress": \[([1-9]\d*)', line)
            if found:
                reports.append((int(found[1]), cpu_seconds(process.pid)))
    if len(reports) < 2:
        message = "hashcat reported no progress"
        raise RuntimeError(message)
    (first, began), (last, ended) = reports[0], reports[-1]
    return (last - first) / (ended - began)


def limit_rate(program: Path) -> float:
    """Return how many candidates a second fit the CPU's vector units if they are always busy."""
    output = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return float(output) / OPERATIONS


def build_limit(folder: str) -> Path | None:
    """Compile the program of `limit_rate`; return None without AVX-512 or a compiler."""
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if "native-avx512" not in available_backends() or compiler is None:
        return None
    source, program = Path(__file__).with_name("vector_rate.c"), Path(folder, "vector_rate")
    subprocess.run([compiler, "-O3", "-mavx512f", source, "-o", program], check=True)
    return program
