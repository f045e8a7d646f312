"""Git for tests: independent of the machine's configuration."""

import os
import subprocess
from pathlib import Path

import pytest


def isolate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set an author, and hide the machine's Git configuration."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.org")


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run Git; return its output."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout


def head(folder: Path, revision: str = "HEAD") -> str:
    """Return the id of a commit."""
    return git(folder, "rev-parse", revision).decode().strip()
