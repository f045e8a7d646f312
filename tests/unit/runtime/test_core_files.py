"""A process that holds secrets writes no core file."""

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
    """Neither to a file nor to a pipe: PR_GET_DUMPABLE becomes 0, and so do the limits."""
    ran = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=30, check=True
    )
    assert "1 0 0 0" == ran.stdout.strip()
