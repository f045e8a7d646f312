"""A server that is a function: the course of each RPC is decided beforehand."""

from base64 import b64encode
from dataclasses import dataclass
from functools import cache

from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from hypothesis import strategies as st

from hashfinder_client.query import Query
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import Candidate, HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2 import SearchProgress as Reported
from tests.integration.scripted import distance_between, hash_of

LOST = RpcStatus(StatusCode.UNAVAILABLE, "Socket closed")
EXHAUSTED, UNAVAILABLE = StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAVAILABLE


def ended(
    code: StatusCode, reason: str = "", *details: Message, delay: float | None = None
) -> RpcStatus:
    """Return a status with details."""
    rich = Status()
    if reason:
        rich.details.add().Pack(ErrorInfo(domain="hashfinder", reason=reason))
    if delay is not None:
        retry = RetryInfo()
        retry.retry_delay.FromNanoseconds(round(delay * 1e9))
        rich.details.add().Pack(retry)
    for detail in details:
        rich.details.add().Pack(detail)
    return RpcStatus(code, "text", rich)


@cache
def candidate(name: str, position: int) -> Candidate:
    """Return the candidate at `position`."""
    digits, rest = [], position
    while rest:
        rest, digit = divmod(rest - 1, 256)
        digits.append(digit)
    secret = bytes(reversed(digits))
    hashed_name = hash_of(secret)
    return Candidate(
        secret=b64encode(secret).decode(),
        hashed_name=hashed_name,
        hamming_distance=distance_between(name, hashed_name),
        position=position,
    )


def result(name: str, position: int) -> HashNameResponse:
    """Return the result at `position`."""
    at = candidate(name, position)
    fields = {field.name: value for field, value in at.ListFields()}
    return HashNameResponse(**fields | {"position": position})


@dataclass(frozen=True)
class Turn:
    """The course of one RPC: how far it gets, how often it reports, and what ends it."""

    hashes: int
    report_every: int
    lost_messages: int
    end: str


class Server:
    """A server in which each RPC takes the next turn; after the last turn, RPCs run undisturbed."""

    def __init__(self, turns: list[Turn], budget: int) -> None:
        self.turns = turns
        self.budget = budget
        self.requests: list[HashNameRequest] = []

    def serve(self, request: HashNameRequest) -> tuple[list[HashNameResponse], RpcStatus]:
        """Return the messages of an RPC that arrive, and its status."""
        self.requests.append(request)
        number = len(self.requests) - 1
        turn = self.turns[number] if number < len(self.turns) else None
        asked = request.maximum_hashes if request.HasField("maximum_hashes") else self.budget
        maximum = min(asked, self.budget)
        begin, end = request.start_position, request.start_position + maximum
        if turn and turn.end in {"overload", "too many"}:
            return [], ended(EXHAUSTED, "SERVER_OVERLOADED", delay=1.0)
        stop = min(end, begin + turn.hashes) if turn else end
        messages = []
        for position in range(begin, stop):
            if turn and position > begin and not (position - begin) % turn.report_every:
                messages.append(HashNameResponse(progress=self._told(request, position)))
            at = result(request.desired_name, position)
            if at.hamming_distance <= request.ideal_hamming_distance:
                return [*messages, at], RpcStatus(StatusCode.OK)
            if at.hamming_distance <= request.interesting_hamming_distance:
                messages.append(at)
        told = self._told(request, stop)
        if stop == end:
            return messages, ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", told)
        assert turn
        match turn.end:
            case "lost":
                return messages[: len(messages) - turn.lost_messages], LOST
            case "quota":
                return messages, ended(EXHAUSTED, "CLIENT_QUOTA_EXHAUSTED", told, delay=0.5)
            case _:
                return messages, ended(UNAVAILABLE, "SERVER_DRAINING", told, delay=0.0)

    def _told(self, request: HashNameRequest, position: int) -> Reported:
        begin = request.start_position
        told = Reported(hashes_computed=position - begin, next_position=position)
        if position > begin:
            name = request.desired_name
            key = [(candidate(name, p).hamming_distance, p) for p in range(begin, position)]
            told.best_candidate.CopyFrom(candidate(name, min(key)[1]))
        return told


def brute_force(query: Query) -> tuple[list[int], bool]:
    """Return the positions of all results, and whether the last one is ideal."""
    expected = []
    for position in range(query.first_position, query.limit):
        distance = candidate(query.name, position).hamming_distance
        if distance <= query.result_distance:
            expected.append(position)
        if distance <= query.ideal_distance:
            return expected, True
    return expected, False


TURNS = st.builds(
    Turn,
    hashes=st.integers(0, 60),
    report_every=st.integers(1, 80),
    lost_messages=st.integers(0, 3),
    end=st.sampled_from(["lost", "quota", "drain", "overload"]),
)
