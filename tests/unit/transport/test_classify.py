"""Status code and cause of an RPC's end: every path, on a monotonic clock."""

import grpc
import pytest

from hashfinder.domain.errors import (
    AbandonedError,
    BudgetExhaustedError,
    Cause,
    IncompleteRequestError,
    InvalidRequestError,
    ServerDrainingError,
)
from hashfinder.domain.outcome import Outcome
from hashfinder.transport.classify import Deadline, Ending, classify
from hashfinder_rules.violations import Violation

Code = grpc.StatusCode
DRAINING = ServerDrainingError("going", 1.0)


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        (None, Ending(Code.OK, None)),
        (BudgetExhaustedError(5), Ending(Code.RESOURCE_EXHAUSTED, Cause.BUDGET)),
        (DRAINING, Ending(Code.UNAVAILABLE, Cause.SHUTDOWN)),
        (InvalidRequestError([Violation("a", "b")]), Ending(Code.INVALID_ARGUMENT, None)),
        (IncompleteRequestError(), Ending(Code.INVALID_ARGUMENT, None)),
        (RuntimeError(), Ending(Code.INTERNAL, None)),
    ],
)
def test_answered_rpc_ends_as_its_outcome_says(reason: Exception | None, ending: Ending) -> None:
    """Deadline and connection do not matter."""
    for late in (False, True):
        for connected in (False, True):
            assert ending == classify(
                Outcome(reason), abandoned=False, late=late, connected=connected
            )


@pytest.mark.parametrize(
    ("reason", "late", "connected", "ending"),
    [
        (None, False, True, Ending(Code.CANCELLED, Cause.CLIENT_CANCEL)),
        (None, False, False, Ending(Code.CANCELLED, Cause.DISCONNECT)),
        (None, True, True, Ending(Code.DEADLINE_EXCEEDED, Cause.DEADLINE)),
        (None, True, False, Ending(Code.DEADLINE_EXCEEDED, Cause.DEADLINE)),
        (DRAINING, True, False, Ending(Code.CANCELLED, Cause.SHUTDOWN)),
        (DRAINING, False, True, Ending(Code.CANCELLED, Cause.SHUTDOWN)),
        (RuntimeError(), False, True, Ending(Code.CANCELLED, Cause.CLIENT_CANCEL)),
        (RuntimeError(), True, True, Ending(Code.DEADLINE_EXCEEDED, Cause.DEADLINE)),
    ],
)
def test_abandoned_rpc_has_the_cause_that_came_first(
    reason: Exception | None,
    late: bool,  # noqa: FBT001  # a case of the test
    connected: bool,  # noqa: FBT001  # a case of the test
    ending: Ending,
) -> None:
    """First what stopped the search, then the deadline, then the connection."""
    assert ending == classify(Outcome(reason), abandoned=True, late=late, connected=connected)


def test_outcome_keeps_the_first_reason_and_no_abandonment() -> None:
    """That nobody waits is not a reason by itself: the reason is not known yet."""
    outcome = Outcome()
    outcome.record(None)
    outcome.record(AbandonedError())
    assert outcome.reason is None
    outcome.record(DRAINING)
    outcome.record(RuntimeError())
    assert outcome.reason is DRAINING


@pytest.mark.parametrize(
    ("remaining", "seconds", "passed"),
    [
        (0.0, None, False),
        (0.0, 5.0, True),
        (-0.1, 5.0, True),
        (0.02, 0.1, True),
        (0.0259, 0.1, True),  # 25 ms + 1 %
        (0.027, 0.1, False),
        (0.07, 5.0, True),
        (0.08, 5.0, False),
        (6.0, 600.0, True),  # clients round a deadline up by up to 1 %
        (6.1, 600.0, False),
        (4.9, 5.0, False),
    ],
)
def test_deadline_has_passed_where_hardly_any_time_remains(
    remaining: float,
    seconds: float | None,
    passed: bool,  # noqa: FBT001  # a case of the test
) -> None:
    """The tolerance covers the rounding on the wire and a busy event loop."""
    assert passed == Deadline(1000.0, seconds).passed(1000.0 + (seconds or 0.0) - remaining)
