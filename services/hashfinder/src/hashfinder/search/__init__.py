"""From ranges of positions to ordered results: one search, without threads or clocks of its own."""
