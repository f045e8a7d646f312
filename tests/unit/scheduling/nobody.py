"""An observer for tests that look elsewhere."""


class Nobody:
    """Observes nothing."""

    def freed(self, seconds: float) -> None:
        """Pass."""
