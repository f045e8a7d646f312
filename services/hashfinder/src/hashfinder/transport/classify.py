"""Determine the status code and the counted cause of an RPC's end."""

from typing import NamedTuple

import grpc

from hashfinder.domain.errors import Cause, StoppedError
from hashfinder.domain.outcome import Outcome
from hashfinder.transport.status import code_of

_DEADLINE_SLACK_SECONDS = 0.025
_DEADLINE_SLACK_RATIO = 0.01


class Deadline(NamedTuple):
    """When an RPC has to end, on a monotonic clock: steps of the wall clock do not move it."""

    began: float
    seconds: float | None
    """From the beginning; None for no deadline."""

    def passed(self, now: float) -> bool:
        """Return whether an RPC that gRPC cancelled at the time `now` had come to its deadline.

        Clients round a deadline up by up to 1 % on the wire: the server's own view of it comes that
        much later.
        """
        if self.seconds is None:
            return False
        slack = _DEADLINE_SLACK_SECONDS + _DEADLINE_SLACK_RATIO * self.seconds
        return self.began + self.seconds - now <= slack


class Ending(NamedTuple):
    """How an RPC ended, for the metrics and the log."""

    code: grpc.StatusCode
    cause: Cause | None
    """Why its search was stopped or refused; None if it was neither."""


def classify(
    outcome: Outcome, *, abandoned: bool, late: bool = False, connected: bool = True
) -> Ending:
    """Return how an RPC ended.

    Args:
        outcome: what stopped its search, if anything did before its client left.
        abandoned: whether the client waits no more, so that it gets no status.
        late: whether the RPC's deadline had passed when it was abandoned.
        connected: whether its client's connection outlived it.
    """
    reason = outcome.reason
    stopped_by = reason.cause if isinstance(reason, StoppedError) else None
    if not abandoned:
        return Ending(grpc.StatusCode.OK if reason is None else code_of(reason), stopped_by)
    if stopped_by is not None:
        return Ending(grpc.StatusCode.CANCELLED, stopped_by)
    if late:
        return Ending(grpc.StatusCode.DEADLINE_EXCEEDED, Cause.DEADLINE)
    left = Cause.CLIENT_CANCEL if connected else Cause.DISCONNECT
    return Ending(grpc.StatusCode.CANCELLED, left)
