"""The file that gets the end of a search: the same lines of JSON, and small.

It suits the termination message of a container in Kubernetes, of which 4096 bytes are kept, and
whose file must be written in place: it is a mount of its own, so that nothing can be moved there.
"""

from dataclasses import replace
from pathlib import Path

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.json_lines import Finding, end_line, result_line
from hashfinder_cli.view.text import plain

LIMIT = 4096
"""Bytes."""


def empty(path: str) -> None:
    """Empty the file: what an earlier search left there must not pass for the end of this one.

    Raises:
        OSError: it cannot be written.
        ValueError: the path has a NUL in it.
    """
    Path(path).write_bytes(b"")


def write_end(path: str | None, ideal: Finding | None, ending: Ending) -> Ending:
    """Write the ideal result, if there is one, and the end; nothing where `path` is None.

    Returns:
        The ending; another one where the file cannot be written.
    """
    if path is None:
        return ending
    try:
        _write(path, ideal, ending)
    except OSError as error:
        sentence = f"Cannot write the --result-file {path}: {error.strerror}."
        return replace(ending, code=ExitCode.FAULT, sentence=sentence, advice="")
    return ending


def _write(path: str, ideal: Finding | None, ending: Ending) -> None:
    result = result_line(ideal) if ideal else ""
    text = result + end_line(ending)  # json leaves nothing in it that is not ASCII.
    if len(text) >= LIMIT:  # Whatever a server may say: the position to resume from must be there.
        brief = replace(ending, sentence=plain(ending.sentence)[:100], kernel="", request_id="")
        text = result + end_line(replace(brief, reason=plain(ending.reason)[:50]))
        if len(text) >= LIMIT:  # Secrets of up to 1024 bytes, written three times.
            result = result_line(ideal, is_brief=True) if ideal else ""
            text = result + end_line(replace(brief, reason=plain(ending.reason)[:50], best=None))
    Path(path).write_text(text, encoding="ascii")
