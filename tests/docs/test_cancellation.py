"""The code in docs/cancellation.md is the code that the tests run."""

import pytest

from docs.snippets import BLOCK, GUIDE, filled, source_of


def test_code_of_the_guide_is_code_that_runs() -> None:
    """Every block of the guide is what it names; none stands there without a name."""
    guide = GUIDE.read_text(encoding="utf-8")

    assert BLOCK.search(guide)
    assert guide.count("```python\n") == len(BLOCK.findall(guide))
    assert filled(guide) == guide, "run: make docs"


def test_code_that_is_gone_is_noticed() -> None:
    """A block cannot name what its file does not have."""
    with pytest.raises(LookupError, match=r"has no Session\.nothing"):
        source_of("services/hashfinder/src/hashfinder/scheduling/session.py", "Session.nothing")
