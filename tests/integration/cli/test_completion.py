"""Completion by every shell, each as a process: it reads the line and does none of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.scripted import Run

PROGRAM = (sys.executable, "-m", "hashfinder_cli")
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def completed(run: Run, shell: str, line: str) -> subprocess.CompletedProcess[str]:
    """Return what a shell is told when TAB is pressed at the end of a line."""
    asked = {
        "_HASHFINDER_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": line.rpartition(" ")[2],
    }
    return run(variables=asked)


@pytest.mark.parametrize("shell", SHELLS)
def test_options_of_the_command_are_completed(run: Run, shell: str) -> None:
    """In words that the shell takes."""
    done = completed(run, shell, "hashfinder find x --result-f")
    assert "--result-file" in done.stdout
    assert "" == done.stderr


LINES = (
    "hashfinder find x --result-file FILE ",
    "hashfinder find x --state FILE --",
    "hashfinder find x --secret-prefix-file FIFO --",
    "hashfinder find x --ca FIFO --token-file FIFO --result-file FILE --",
    "hashfinder git-vanity c0ffee --apply --",
    "hashfinder --version find x --result-f",
)


@pytest.mark.parametrize(
    ("shell", "line"),
    [*(("bash", line) for line in LINES), *((each, LINES[0]) for each in SHELLS[1:])],
)
def test_nothing_is_done(run: Run, shell: str, line: str, tmp_path: Path) -> None:
    """No file is written or read, which a FIFO would notice, and no callback of an option runs."""
    file, fifo = tmp_path / "file", tmp_path / "fifo"
    file.write_text("kept")
    os.mkfifo(fifo)
    done = completed(run, shell, line.replace("FILE", str(file)).replace("FIFO", str(fifo)))
    assert "" == done.stderr
    assert "0.1.0" not in done.stdout
    assert "kept" == file.read_text()
    assert {file, fifo} == set(tmp_path.iterdir())


@pytest.mark.parametrize("shell_line", ["trap '' PIPE; exec \"$@\"", 'trap - PIPE; exec "$@"'])
@pytest.mark.parametrize("arguments", [("--help",), ("find", "--help"), ("--version",)])
def test_reader_that_has_left_is_no_error_whatever_the_parent_made_of_its_signal(
    shell_line: str, arguments: tuple[str, ...]
) -> None:
    """Exit code 141 and no word, whether SIGPIPE came ignored or not."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        ["/bin/sh", "-c", shell_line, "sh", *PROGRAM, *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
        check=False,
    )
    os.close(writer)
    assert (141, "") == (done.returncode, done.stderr)
