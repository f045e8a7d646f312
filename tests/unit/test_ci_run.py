"""`.ci/run` in a clone with nothing beside it: it says what is missing before it runs tests."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / ".ci/run"
PRESENT = ("bash", "dirname", "cat")
STUBBED = (
    *("go", "npm", "docker", "make", "gcc", "clang", "ip", "iptables", "nginx", "valgrind"),
    *("qemu-aarch64", "aarch64-linux-gnu-gcc", "openssl", "chromium", "hashcash"),
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with the script, and programs that do nothing, of which Docker fails."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PRESENT:
        (programs / name).symlink_to(str(shutil.which(name)))
    (programs / "python3").symlink_to(sys.executable)
    for name in STUBBED:
        reads = "cat >/dev/null" if name in {"gcc", "clang"} else ":"  # a program on stdin
        stub = programs / name
        stub.write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/called"\n{reads}\n')
        stub.chmod(0o755)
    (programs / "docker").write_text("#!/bin/sh\nexit 1\n")
    copy = tmp_path / "clone/.ci/run"
    copy.parent.mkdir(parents=True)
    shutil.copy(RUN, copy)
    return copy.parents[1]


def run(clone: Path) -> tuple[int, str]:
    """Return the exit code and what is said on stderr."""
    done = subprocess.run(
        [str(clone / ".ci/run")],
        env={"PATH": str(clone.parent / "bin")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("missing", ["go", "npm", "docker"])
def test_missing_program_is_named(clone: Path, missing: str) -> None:
    """The first that cannot be installed here ends it, in a sentence."""
    (clone.parent / "bin" / missing).unlink()
    assert (1, f".ci/run: needs {missing}\n") == run(clone)


def test_missing_packages_are_named_where_none_can_be_installed(clone: Path) -> None:
    """By Debian's names: there is no apt-get."""
    for name in ("valgrind", "qemu-aarch64"):
        (clone.parent / "bin" / name).unlink()
    code, said = run(clone)
    assert (1, ".ci/run: install first, by Debian's names: valgrind qemu-user\n") == (code, said)


def test_engine_that_does_not_answer_is_named(clone: Path) -> None:
    """Nothing beside the clone is needed, and no test has run."""
    assert (1, ".ci/run: no Docker engine answers (docker info)\n") == run(clone)
    assert "make" not in (clone.parent / "called").read_text()


def test_every_target_runs_where_nothing_is_missing(clone: Path) -> None:
    """Those of the table in CONTRIBUTING.md, but those that it names as left out."""
    (clone.parent / "bin/docker").write_text("#!/bin/sh\nexit 0\n")
    assert (0, "") == run(clone)
    called = (clone.parent / "called").read_text()
    asked = {
        target
        for line in called.splitlines()
        if line.startswith("make ")
        for target in line.split()[1:]
        if "=" not in target
    }
    guide = (RUN.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [sentence] = [
        line for line in guide.splitlines() if line.startswith("`.ci/run` runs all of these but ")
    ]
    left_out = set(sentence.split("`")[3::2])
    table = {
        word
        for row in guide.splitlines()
        if row.startswith("| `make ")
        for word in row.split("|")[1].replace("`", " ").replace(",", " ").split()
    } - {"make"}
    assert left_out <= table
    assert asked == table - left_out - {"docs-check"}  # a test of `make test`
