"""The profile of `make fuzz`: many new examples; those that failed are kept."""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "5000")),
    deadline=None,
    database=DirectoryBasedExampleDatabase(Path(__file__).parent / "corpus"),
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
