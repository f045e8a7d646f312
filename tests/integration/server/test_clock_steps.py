"""The wall clock steps while searches run, as when a suspended machine wakes up."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.chaos.world import Clock
from tests.integration.samples import Samples
from tests.integration.server_process import IDLE_KERNEL, ServerProcess, eventually

HOPELESS = HashNameRequest(desired_name="hopelessly")


@pytest.mark.parametrize("step", [3600, -3600])
def test_cause_does_not_depend_on_the_wall_clock(
    server_process: Callable[..., ServerProcess], tmp_path: Path, step: int
) -> None:
    """A cancel is a cancel, a deadline is a deadline and comes in its time."""
    clock = Clock(tmp_path)
    if not clock.environment:
        pytest.skip("no C compiler: the clock of a process cannot be stepped")
    server = server_process("--kernel", "python", env=clock.environment, before=IDLE_KERNEL)
    with server.stub() as stub:
        cancelled, late = (stub.Find.future(HOPELESS, timeout=seconds) for seconds in (60, 4))
        server.wait_for_searches(2)
        clock.step(step)
        cancelled.cancel()
        eventually(lambda: stopped(server) == {"client_cancel": 1}, "the cancel is counted", 3)
        assert grpc.StatusCode.DEADLINE_EXCEEDED == late.exception(timeout=20).code()  # type: ignore[union-attr]
        eventually(
            lambda: stopped(server) == {"client_cancel": 1, "deadline": 1}, "the deadline is", 10
        )
        clock.step(0)
        assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc"), timeout=10).secret
    began, ended = (
        datetime.fromisoformat(server.logs(event)[0]["timestamp"])
        for event in ("serving", "rpc ended")
    )
    assert abs((ended - began).total_seconds() - step) < 60, "the clock was stepped"


def stopped(server: ServerProcess) -> dict[str, float]:
    """Return how many searches were stopped, by cause."""
    moved = server.samples().moved("hashfinder_cancellations_total", Samples())
    return {dict(labels)["cause"]: value for labels, value in moved.items()}
