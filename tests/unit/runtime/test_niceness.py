"""The priority of worker threads is lowered if the system allows it."""

import os
import sys
import threading

import pytest

from hashfinder.runtime.niceness import lower_priority


def niceness_after() -> int:
    """Return the niceness of a thread that has lowered its priority."""
    seen: list[int] = []

    def run() -> None:
        lower_priority()
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return seen[0]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_thread_has_a_lower_priority() -> None:
    """Only the thread's: the process keeps its niceness."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert max(before, 10) == niceness_after()
    assert before == os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.parametrize("refusal", [PermissionError, OSError])
def test_refusal_is_harmless(refusal: type[OSError], monkeypatch: pytest.MonkeyPatch) -> None:
    """Under seccomp, for example, the thread keeps its priority."""

    def refuse(*_: int) -> None:
        raise refusal

    monkeypatch.setattr(os, "setpriority", refuse)
    assert os.getpriority(os.PRIO_PROCESS, 0) == niceness_after()
