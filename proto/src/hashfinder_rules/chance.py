"""How probable a hit is, and how many hashes it takes.

A digest is as good as random. The chance that one candidate is ideal is exact for a name at one
place, and for an exact name (wildcards included) that may stand at several. For a name within a
distance at several places there are a lower and an upper bound. So there are for the few exact
names whose wildcards leave too many possibilities open.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Scheme

_MOST_STEPS = 250_000
"""The work that a chance may cost: some tens of milliseconds."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The chance that one candidate is ideal, and what follows for a search."""

    lower: float
    """At least so probable. What takes a number of hashes is computed with it."""
    upper: float
    """At most so probable; equal to `lower` where the chance is exact."""
    candidates: int = 2**64
    """How many candidates the search can try: no number of hashes is above it."""

    @classmethod
    def of(cls, query: Query, start_position: int = 0) -> "Chance":
        """Return the chance of `query`, a valid one, from `start_position` on."""
        lower, upper = _bounds(query.name, query.ideal_distance, query.scheme)
        return cls(lower, upper, query.keyspace.end - start_position)

    @property
    def exact(self) -> bool:
        """Whether the chance is known, not only its bounds."""
        return self.lower == self.upper

    @property
    def expected_hashes(self) -> float:
        """The mean number of hashes until the first hit, or until all candidates are tried."""
        if not self.lower:
            return float(self.candidates)
        return self.chance_by(self.candidates) / self.lower

    def hashes_for(self, probability: float) -> float:
        """Return after how many hashes such a share of searches has a hit, or has ended.

        Args:
            probability: from 0 up to, not including, 1.
        """
        if self.lower >= 1:
            return 1.0
        if not self.lower:
            return float(self.candidates)
        hashes = math.log1p(-probability) / math.log1p(-self.lower)
        return min(max(hashes, 1.0), float(self.candidates))

    def chance_by(self, hashes: float) -> float:
        """Return how probable it is that `hashes` candidates have a hit among them."""
        hashes = min(hashes, self.candidates)
        if self.lower >= 1:
            return float(hashes > 0)
        return -math.expm1(hashes * math.log1p(-self.lower))


@lru_cache(maxsize=256)
def _bounds(name: str, distance: int, scheme: Scheme) -> tuple[float, float]:
    """Return the lower and the upper bound of the chance that a text is within `distance`."""
    windows = [_agreements(name, offset, scheme) for offset in scheme.offsets(len(name))]
    singles = [_tail(window, distance) for window in windows]
    if len(windows) == 1:
        return singles[0], singles[0]
    if max(singles) >= 1:
        return 1.0, 1.0
    if distance == 0 and (exact := _exact_anywhere(name, scheme)) is not None:
        return exact, exact
    total = math.fsum(singles)
    pairs = _pairs(name, distance, scheme, windows, singles)
    if pairs is None:
        return max(singles), min(1.0, total)
    # Of all bounds that the sums over places and over pairs allow, Dawson and Sankoff's is the
    # best lower one, at least Bonferroni's. Kounias's upper one leaves out a star of pairs.
    twice = math.fsum(map(math.fsum, pairs))
    k = 1 + math.floor(twice / total)
    lower = 2 / (k + 1) * total - twice / (k * (k + 1))
    upper = total - max(map(math.fsum, pairs))
    lower = max(lower, *singles)
    return lower, max(lower, min(1.0, upper))


def _agreements(name: str, offset: int, scheme: Scheme) -> list[float]:
    """Return how probably each character of the name agrees with the text at `offset`."""
    return [
        1.0 if c == scheme.wildcard else scheme.places[offset + i].get(scheme.fold(c), 0.0)
        for i, c in enumerate(name)
    ]


def _tail(agreements: Sequence[float], distance: int) -> float:
    """Return how probably at most `distance` characters disagree (Poisson binomial)."""
    mismatches = [1.0] + [0.0] * distance
    for p in agreements:
        one_less = [0.0, *mismatches[:-1]]
        mismatches = [
            p * same + (1 - p) * less for same, less in zip(mismatches, one_less, strict=True)
        ]
    return min(1.0, math.fsum(mismatches))


def _exact_anywhere(name: str, scheme: Scheme) -> float | None:
    """Return how probably the text has the name at any place; None if that is too much work.

    The state after each place is the set of prefixes of the name that end there (Shift-And).
    """
    accepted = 1 << (len(name) - 1)

    @cache
    def mask(character: str) -> int:
        return sum(
            1 << i
            for i, c in enumerate(name)
            if c == scheme.wildcard or scheme.fold(c) == character
        )

    def by_mask(place: Mapping[str, float]) -> list[tuple[int, float]]:
        probabilities: defaultdict[int, float] = defaultdict(float)
        for character, p in place.items():
            probabilities[mask(character)] += p
        return list(probabilities.items())

    hit = 0.0
    steps = 0
    states = {0: 1.0}
    for place in scheme.places:
        moves = by_mask(place)
        steps += len(states) * len(moves)
        if steps > _MOST_STEPS:
            return None
        following: defaultdict[int, float] = defaultdict(float)
        for state, probability in states.items():
            for agreeing, p in moves:
                following[(state << 1 | 1) & agreeing] += probability * p
        hit += sum(following.pop(state) for state in list(following) if state & accepted)
        states = following
    return hit


def _pairs(
    name: str,
    distance: int,
    scheme: Scheme,
    windows: Sequence[Sequence[float]],
    singles: Sequence[float],
) -> list[list[float]] | None:
    """Return for each two places how probably both hit, 0 for a place and itself.

    None if that is too much work.
    """
    length, count = len(name), len(windows)
    regular = scheme.symbol_count - 1  # places that are all alike
    known: dict[tuple[int, int], float] = {}
    steps = 0
    pairs = [[0.0] * count for _ in range(count)]
    for i in range(count):
        for j in range(i + 1, count):
            shift = j - i
            if shift >= length:
                both = singles[i] * singles[j]
            elif (key := (shift, max(0, j + length - regular))) in known:
                both = known[key]
            else:
                steps += (length - shift) * (distance + 1) ** 2
                if steps > _MOST_STEPS:
                    return None
                joint = _joint(name, distance, scheme, shift, windows[i], windows[j])
                both = known[key] = joint
            pairs[i][j] = pairs[j][i] = both
    return pairs


def _joint(
    name: str,
    distance: int,
    scheme: Scheme,
    shift: int,
    first: Sequence[float],
    second: Sequence[float],
) -> float:
    """Return how probably both of two overlapping places, `shift` apart, are within `distance`."""
    counts = {(0, 0): 1.0}  # of disagreements of the first and the second, in the overlap
    for i in range(shift, len(name)):
        p, q = first[i], second[i - shift]
        one, other = name[i], name[i - shift]
        if scheme.wildcard in {one, other} - {""}:
            both = p * q  # one of them is 1
        else:
            both = p if scheme.fold(one) == scheme.fold(other) else 0.0
        outcomes = ((0, 0, both), (0, 1, p - both), (1, 0, q - both), (1, 1, 1 - p - q + both))
        following: defaultdict[tuple[int, int], float] = defaultdict(float)
        for (m, n), probability in counts.items():
            for more_m, more_n, chance in outcomes:
                if m + more_m <= distance and n + more_n <= distance and chance > 0:
                    following[m + more_m, n + more_n] += probability * chance
        counts = following
    before, after = first[:shift], second[len(name) - shift :]
    return math.fsum(
        probability * _tail(before, distance - m) * _tail(after, distance - n)
        for (m, n), probability in counts.items()
    )
