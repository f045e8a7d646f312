"""When a search makes another RPC, and after which delay."""

from dataclasses import dataclass

from hashfinder_client.numbers import check_count, check_seconds

LONGEST_TIMEOUT = 1e9
"""Seconds, three decades: the longest timeout that gRPC is given."""
DEFAULT_RETRIES = 8
"""With the delays below, this outlasts half a minute without a server."""
LONGEST_DELAY = 86_400.0
"""Seconds: a day."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When to make another RPC. Never after a request refused, a fault, a cancel or a deadline."""

    resume: bool = True
    """Resume after a spent budget, a quota, an overload, a drain or a lost connection. Without it,
    only a search that has not begun is tried again, and only where the server says when."""
    retries: int = DEFAULT_RETRIES
    """How often in a row, with nothing searched in between. With `resume`, a refusal by a server
    that drains does not count: it ends with the server's grace, however long that is."""
    first_delay: float = 0.25
    """Seconds after a lost connection; doubled with each further one, and half of it at random."""
    longest_delay: float = 8.0
    """Seconds up to which it is doubled, 0 to a day."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: one is out of its range.
        """
        check_count("retries", self.retries, least=0)
        check_seconds("first_delay", self.first_delay, most=LONGEST_DELAY)
        check_seconds("longest_delay", self.longest_delay, most=LONGEST_DELAY)

    def delay(self, retry_after: float | None, failures: int, draw: float) -> float:
        """Return how many seconds to wait.

        Args:
            retry_after: what the server asks for. It is waited for in full, with up to a quarter
                more, so that clients that were sent away together do not come back together.
            failures: how many RPCs in a row have searched nothing.
            draw: a random number from 0 to 1.
        """
        if retry_after is not None:
            return retry_after * (1 + draw / 4)
        doubled = self.first_delay * 2.0 ** min(failures, 64)
        return min(doubled, self.longest_delay) * (1 + draw) / 2


def rpc_timeout(seconds: float) -> float | None:
    """Return the timeout of an RPC that may take `seconds`; None for no bound.

    gRPC takes a timeout of some centuries for one that has passed, so decades are no bound.
    """
    return None if seconds > LONGEST_TIMEOUT else max(0.0, seconds)
