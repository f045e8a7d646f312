"""How large a chunk is: so many positions as take about a given time."""

_LARGEST_CHUNK = 2**24
_SMOOTHING = 0.5
"""The weight of the newest chunk in a search's estimated rate."""


class Pace:
    """How fast a search is scanned."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self.rate: float | None = None
        """Positions a second."""

    def chunk_size(self, seconds: float, guess: float) -> int:
        """Return how many positions take about `seconds`; at the rate `guess` if none is known."""
        return max(1, min(_LARGEST_CHUNK, int((self.rate or guess) * seconds)))

    def measured(self, hashes: int, seconds: float) -> None:
        """Correct the rate by one more chunk."""
        if hashes and seconds:
            rate = hashes / seconds
            self.rate = rate if self.rate is None else self.rate + _SMOOTHING * (rate - self.rate)
