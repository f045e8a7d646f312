"""The file that gets the end of a search: the same lines of JSON, and small.

It suits the termination message of a container in Kubernetes, of which 4096 bytes are kept, and
whose file is to be written in place: it is a mount of its own, so that nothing can be moved there.
"""

from dataclasses import replace
from io import StringIO
from pathlib import Path

from hashfinder_cli.explain import Ending, plain
from hashfinder_cli.output import Find, JsonLines

LIMIT = 4096
"""Bytes."""


def write(path: str, ideal: Find | None, ending: Ending) -> None:
    """Write the ideal result, if there is one, and the end.

    Raises:
        OSError: it cannot be written.
    """
    text = _lines(ideal, ending)
    if len(text) >= LIMIT:  # Whatever a server may say: the position to go on from must be there.
        brief = replace(ending, sentence=plain(ending.sentence)[:100], kernel="", request_id="")
        text = _lines(ideal, replace(brief, reason=plain(ending.reason)[:50]))
    Path(path).write_text(text, encoding="ascii")


def _lines(ideal: Find | None, ending: Ending) -> str:
    """Return the lines; json leaves nothing in them that is not ASCII."""
    text = StringIO()
    lines = JsonLines(text, with_reports=False)
    if ideal:
        lines.find(ideal)
    lines.end(ending)
    return text.getvalue()
