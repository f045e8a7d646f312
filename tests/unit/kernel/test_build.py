"""The build of the kernel: without warnings, or with an error that says what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hashfinder.kernel import available_backends

DISTRIBUTION = Path(__file__).parents[3] / "services" / "hashfinder"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)][:1]
"""The usual compiler; `make test-kernel` has all of them."""


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build the extension in a folder, without changing the source tree."""
    command = [sys.executable, "setup.py", "build_ext", "--build-temp", str(folder / "temporary")]
    return subprocess.run(
        [*command, "--build-lib", str(folder / "library")],
        cwd=DISTRIBUTION,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_compiler_is_there() -> None:
    """If the extension was built, the next test has a compiler to run."""
    assert COMPILERS or available_backends() == ("python",)


@pytest.mark.kernel
@pytest.mark.timeout(300)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_compiles_without_warnings(tmp_path: Path, compiler: str) -> None:
    """The binding and the kernel for every instruction set compile with all warnings enabled."""
    built = build(tmp_path, CC=compiler, CFLAGS="-Wall -Wextra -Werror")

    assert (0, "") == (built.returncode, built.stderr)
    assert [*tmp_path.glob("library/hashfinder/kernel/_native.abi3.so")]


def test_says_what_is_missing(tmp_path: Path) -> None:
    """Without a compiler the build fails and says what to install, or how to build without one."""
    built = build(tmp_path, CC=str(tmp_path / "no-compiler"))

    assert 1 == built.returncode
    assert "no-compiler" in built.stderr
    assert "apt-get install gcc libc6-dev python3-dev" in built.stderr
    assert "HASHFINDER_BUILD_KERNEL=python" in built.stderr
    assert "Traceback" not in built.stderr


def test_builds_without_the_kernel_on_request(tmp_path: Path) -> None:
    """`python` needs no compiler and builds no extension."""
    built = build(tmp_path, HASHFINDER_BUILD_KERNEL="python", CC=str(tmp_path / "no-compiler"))

    assert 0 == built.returncode
    assert not [*tmp_path.rglob("*.so")]


def test_refuses_to_build_something_else(tmp_path: Path) -> None:
    """The error names the variable, the allowed values and the value."""
    built = build(tmp_path, HASHFINDER_BUILD_KERNEL="c")

    assert 1 == built.returncode
    assert "HASHFINDER_BUILD_KERNEL must be native or python, not 'c'" in built.stderr
