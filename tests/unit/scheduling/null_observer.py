"""An observer for tests of other things."""


class NullObserver:
    """Ignores everything."""

    def freed(self, seconds: float) -> None:
        """Ignore the call."""
