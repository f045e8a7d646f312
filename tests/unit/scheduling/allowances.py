"""Allowances for tests of other things."""

from dataclasses import replace

from hashfinder.domain.allowance import Allowance, AllowanceOf

AMPLE = Allowance(
    searches=100,
    hash_rate=0,
    hash_burst=10**10,
    maximum_hashes=10**15,
    maximum_seconds=3600,
)


def allow(weights: dict[str, int] | None = None, **limits: int) -> AllowanceOf:
    """Return a function that gives every client these `limits`, and some clients a weight."""
    common = replace(AMPLE, **limits)

    def allowance_of(client: str) -> Allowance:
        return replace(common, weight=(weights or {}).get(client, 1))

    return allowance_of
