"""The locks in `requirements/`: what an installer may rely on."""

import re
from pathlib import Path

import pytest

LOCKS = sorted(Path(__file__).parents[2].glob("requirements/*.txt"))
TOOLS = {"bench", "fuzz", "network", "quality", "recording", "tracing", "web-tests"}
"""The locks of an extra, and of tools that are neither part of production nor of the tests."""

# One requirement with its hashes, as `pip install --require-hashes` needs it: an exact version,
# no address, no path. Continuation lines are joined.
PINNED = re.compile(
    r"[a-z0-9-]+==[0-9][0-9a-z.]*( (;|or|and) [a-z_]+ [!=]= '[^'/]+')*"
    r"( +--hash=sha256:[0-9a-f]{64})+"
)


def requirements(lock: Path) -> list[str]:
    """Return the lines of `lock` that are requirements."""
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return text.replace("\\\n", "").splitlines()


def test_there_is_a_lock_for_each_purpose() -> None:
    """An image installs only what it runs; a developer installs everything."""
    names = [
        "bench.txt",
        "build.txt",
        "cli.txt",
        "dev.txt",
        "fuzz.txt",
        "network.txt",
        "quality.txt",
        "recording.txt",
        "server.txt",
        "tracing.txt",
        "web-tests.txt",
        "web.txt",
    ]
    assert names == [lock.name for lock in LOCKS]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_pins_every_requirement_with_hashes_and_names_no_index(lock: Path) -> None:
    """A lock works with any index that the machine uses, and installs only what was locked."""
    assert [] == [line for line in requirements(lock) if not PINNED.fullmatch(line.strip())]


def test_locks_agree() -> None:
    """All locks have the versions that are tested, those of `dev.txt`.

    Markers for systems may differ: each lock has those of its own packages' requirements. The lock
    of a tool may contain more, for an environment of its own.
    """
    locked = {
        lock.stem: {re.sub(r" ; .*?(?= +--hash)", "", line) for line in requirements(lock)}
        for lock in LOCKS
    }
    everything = locked.pop("dev")
    known = {line.partition("==")[0] for line in everything}
    for name, lines in locked.items():
        other = lines - everything
        if name in TOOLS:
            other = {line for line in other if line.partition("==")[0] in known}
        assert set() == other, name
