"""An observer for tests that look elsewhere."""


class NullObserver:
    """Observes nothing."""

    def freed(self, seconds: float) -> None:
        """Pass."""
