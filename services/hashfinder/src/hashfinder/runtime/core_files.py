"""Keep the memory of this process, which has secrets, out of core files."""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_core_files() -> None:
    """Let no crash of this process leave a core file; on Linux no other user's process reads it.

    The limit alone would not do: the kernel ignores it where core files are piped to a program.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
