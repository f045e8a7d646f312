"""Settings of the Python interpreter that keep the event loop prompt."""

import gc
import sys

_SWITCH_INTERVAL_SECONDS = 0.0005
"""How long another thread keeps the interpreter while the event loop waits for it."""
_GARBAGE_THRESHOLDS = (2_000, 4, 1_000)
"""Small collections: one over all that thousands of new searches are made of stops the loop for
100 ms. Full ones are rare, since an RPC that has ended leaves next to nothing to them."""


def tune_interpreter() -> None:
    """Set switch interval and collector thresholds. Call it when the application is built."""
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    gc.freeze()  # what the server is made of stays
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
