"""What `make bench-kernel` compares the kernel with on request: an earlier version of itself."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hashfinder.kernel import available_backends

ONE_RATE = str(Path(__file__).with_name("one_rate.py"))
PRINT_BACKENDS = "from hashfinder.kernel import *; print(*available_backends())"


def against(revision: str, turns: int, seconds: float) -> dict[str, float]:
    """Return the default job's rate divided by that of an earlier version, for each backend in C.

    Builds that version in a temporary folder. One program measures both, in turns.
    """
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        archive = ["git", "archive", "--output", f"{folder}/before.tar", revision]
        subprocess.run([*archive, "services/hashfinder", "proto"], cwd=root, check=True)
        shutil.unpack_archive(f"{folder}/before.tar", folder, filter="data")
        build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
        subprocess.run(build, cwd=Path(folder, "services/hashfinder"), check=True)
        before = _run_version(Path(folder), "-c", PRINT_BACKENDS).split()
        both = [backend for backend in available_backends()[:-1] if backend in before]
        backends = ["auto", *both]
        best: dict[tuple[str, Path], float] = {}
        for _ in range(turns):
            for backend in backends:
                for base in (Path(folder), root):
                    output = _run_version(base, ONE_RATE, backend, str(seconds))
                    best[backend, base] = max(float(output), best.get((backend, base), 0))
        return {backend: best[backend, root] / best[backend, Path(folder)] for backend in backends}


def _run_version(base: Path, *arguments: str) -> str:
    """Run Python with the version of HashFinder in the folder `base`; return its output."""
    paths = os.pathsep.join(str(base / part / "src") for part in ("services/hashfinder", "proto"))
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
