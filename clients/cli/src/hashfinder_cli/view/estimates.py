"""How long a search takes, for people and as JSON. Never a countdown: a search has no memory."""

import json
import math

from hashfinder_cli.view.text import quantity
from hashfinder_proto.hash_name_pb2 import SearchEstimate
from hashfinder_rules.chance import Chance

_NEARLY_HALF = 0.49
_NEARLY_1 = 1 - 2**-53
_UNITS = ((60.0, "s"), (60.0, "min"), (24.0, "h"), (365.25, "d"))


def of_chance(chance: Chance) -> SearchEstimate:
    """Return what a client can tell of a search by itself: all but the rate."""
    return SearchEstimate(
        chance=chance.lower,
        chance_upper_bound=chance.upper,
        expected_hashes=chance.expected_hashes,
        hashes_for_50_percent=chance.hashes_for(0.5),
        hashes_for_90_percent=chance.hashes_for(0.9),
        hashes_for_99_percent=chance.hashes_for(0.99),
    )


def one_line(estimate: SearchEstimate) -> str:
    """Return the chance of one hash, and how many hashes half and nearly all searches take.

    Where the keyspace ends before half of them have found it, they take all of it.
    """
    half, most = estimate.hashes_for_50_percent, estimate.hashes_for_99_percent
    if -math.expm1(half * math.log1p(-min(estimate.chance, _NEARLY_1))) < _NEARLY_HALF:
        return f"{_odds(estimate)}; fewer than half of such searches ever find it"
    return (
        f"{_odds(estimate)}; half of such searches end within {quantity(half)} hashes"
        f"{_time(half, estimate)}, 99 % within {quantity(most)}"
    )


def paragraph(estimate: SearchEstimate) -> str:
    """Return all that an estimate says, in lines."""
    lines = [_odds(estimate), f"mean: {quantity(estimate.expected_hashes)} hashes"]
    shares = {
        50: estimate.hashes_for_50_percent,
        90: estimate.hashes_for_90_percent,
        99: estimate.hashes_for_99_percent,
    }
    lines += [
        f"{share} % of such searches end within {quantity(hashes)} hashes{_time(hashes, estimate)}"
        for share, hashes in shares.items()
    ]
    if estimate.hashes_per_second > 0:
        lines.append(f"here, now: {quantity(estimate.hashes_per_second)} hashes/s")
    return "\n".join(lines)


def json_line(estimate: SearchEstimate) -> str:
    """Return it as one line of JSON; a rate that is not known is null."""
    rate = estimate.hashes_per_second
    members = {
        "type": "estimate",
        "chance": estimate.chance,
        "chance_upper_bound": estimate.chance_upper_bound,
        "expected_hashes": estimate.expected_hashes,
        "hashes_for_50_percent": estimate.hashes_for_50_percent,
        "hashes_for_90_percent": estimate.hashes_for_90_percent,
        "hashes_for_99_percent": estimate.hashes_for_99_percent,
        "hashes_per_second": rate if math.isfinite(rate) and rate > 0 else None,
    }
    return json.dumps(members) + "\n"


def _odds(estimate: SearchEstimate) -> str:
    if not estimate.chance > 0:
        return "a chance too small for a number"
    most = quantity(1 / estimate.chance)
    if estimate.chance_upper_bound > estimate.chance:
        least = quantity(1 / estimate.chance_upper_bound)
        return f"1 in {most}" if least == most else f"between 1 in {least} and 1 in {most}"
    return f"1 in {most}"


def _time(hashes: float, estimate: SearchEstimate) -> str:
    if not estimate.hashes_per_second > 0:
        return ""
    return f" ({duration(hashes / estimate.hashes_per_second)} here)"


def duration(seconds: float) -> str:
    """Return `seconds` in a suitable unit."""
    value = seconds
    for size, unit in _UNITS:
        if value < size:
            return f"{value:.1f} {unit}"
        value /= size
    return f"{quantity(value)} years"
