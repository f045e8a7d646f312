"""No core file of a process that holds secrets."""

import subprocess
import sys

import pytest

PROBE = """
import ctypes, resource
from hashfinder.runtime.core_files import forbid_core_files
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
forbid_core_files()
print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the flag is Linux's own")
def test_process_leaves_no_core_file_and_cannot_be_read() -> None:
    """Neither a file nor a pipe gets one: PR_GET_DUMPABLE goes from 1 to 0, the limits to 0."""
    ran = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=30, check=True
    )
    assert "1 0 0 0" == ran.stdout.strip()
