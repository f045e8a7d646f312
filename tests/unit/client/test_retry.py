"""When a search makes another RPC, and after which delay."""

import pytest

from hashfinder_client.retry import LONGEST_TIMEOUT, RetryPolicy, rpc_timeout


@pytest.mark.parametrize(
    ("field", "value"), [("retries", -1), ("first_delay", -0.1), ("longest_delay", 86_401.0)]
)
def test_number_out_of_range_is_named(field: str, value: float) -> None:
    """The error names the argument."""
    with pytest.raises(ValueError, match=rf"^{field}\b"):
        RetryPolicy(**{field: value})  # type: ignore[arg-type]


def test_bounds_are_allowed() -> None:
    """No retry, no delay, and a delay of a day."""
    RetryPolicy(retries=0, first_delay=0.0, longest_delay=86_400.0)


def test_delay_doubles_up_to_the_longest() -> None:
    """Half of it is random."""
    policy = RetryPolicy(first_delay=0.25, longest_delay=8.0)

    assert [0.25, 0.5, 1.0] == [policy.delay(None, failures, 1.0) for failures in range(3)]
    assert [8.0, 8.0] == [policy.delay(None, failures, 1.0) for failures in (5, 6)]
    assert 0.125 == policy.delay(None, 0, 0.0)
    assert 4.0 == policy.delay(None, 10**6, 0.0)


def test_delay_of_the_server_is_kept() -> None:
    """Up to a quarter is added, however many RPCs have failed."""
    policy = RetryPolicy()

    assert [4.0, 5.0] == [policy.delay(4.0, 3, draw) for draw in (0.0, 1.0)]


def test_timeout_of_an_rpc() -> None:
    """Past deadlines are zero; values too large for gRPC mean no deadline."""
    assert [0.0, 1.5] == [rpc_timeout(seconds) for seconds in (-1.0, 1.5)]
    assert LONGEST_TIMEOUT == rpc_timeout(LONGEST_TIMEOUT)
    assert rpc_timeout(2 * LONGEST_TIMEOUT) is None
