"""The chance that a search has a hit by now.

A SHA-1 is as good as random. Of the 28 characters of its base64 text the first 26 are drawn from
64 symbols, the 27th, which has only four bits left, from 16 of them, and the 28th is ``=``. Letters
compare without case, so that a letter stands for two of the 64 symbols; of the 16, no two are the
same letter.
"""

import math
from functools import cache
from string import ascii_lowercase, digits

from hashfinder_client.verification import HASHED_NAME_LENGTH, fold

_SEXTET = dict.fromkeys(ascii_lowercase, 2 / 64) | dict.fromkeys(digits + "+/", 1 / 64)
_LAST_SEXTET = dict.fromkeys("aeimquycgkosw048", 1 / 16)
_SYMBOLS = [*[_SEXTET] * 26, _LAST_SEXTET, {"=": 1.0}]


@cache
def hit_probability(name: str, distance: int) -> float:
    """Return the probability that one random candidate is within `distance` of `name`.

    For each place where the name can stand, the probability is exact. The places are then taken as
    independent: 1 - prod(1 - p). Against the exact probability of all places together, this is
    less than 0.1 % off for names of different characters, while it is below 0.01. A name that
    resembles itself when shifted hits at several places at once, so that this is too high: for
    six times the same letter by 3 %, 25 % and 57 % at distances of 0, 1 and 2.
    """
    folded = fold(name)
    distance = min(distance, len(folded))
    alignments = range(HASHED_NAME_LENGTH - len(folded) + 1)
    misses = [math.log1p(-min(_at_place(folded, i, distance), 1 - 1e-16)) for i in alignments]
    return -math.expm1(sum(misses))


def chance_of_hit(probability: float, hashes: int) -> float:
    """Return the chance of at least one hit among `hashes` candidates: 1 - (1 - p)^n."""
    if probability >= 1:
        return float(hashes > 0)
    return -math.expm1(hashes * math.log1p(-probability))


def _at_place(folded: str, offset: int, distance: int) -> float:
    """Return the probability of at most `distance` mismatches of a name that stands at `offset`.

    The number of mismatches is a sum of independent draws (Poisson binomial), built up character
    by character: `mismatches[d]` is the probability of exactly d of them so far.
    """
    mismatches = [1.0] + [0.0] * distance
    for character, symbols in zip(folded, _SYMBOLS[offset:], strict=False):
        p = symbols.get(character, 0.0)
        one_less = [0.0, *mismatches[:-1]]
        pairs = zip(mismatches, one_less, strict=True)
        mismatches = [p * same + (1 - p) * less for same, less in pairs]
    return sum(mismatches)
