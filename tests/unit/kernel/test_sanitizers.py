"""The kernel under sanitizers and valgrind, with each compiler. Run by `make test-kernel`.

Nothing here is skipped: what is not installed fails its tests with a word about how to get it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
DISTRIBUTION = HERE.parents[2] / "services" / "hashfinder"
COMPILERS = ("gcc", "clang")
STRICT = "-Wall -Wextra -Werror"
# Sanitizers change the loops, of which GCC then warns: warnings are the other builds' job.
SANITIZE = "-g1 -fsanitize=address,undefined -fno-sanitize-recover=all"
SEED = "20261122"


def need(program: str) -> str:
    """Return the program's path; fail where it is not installed."""
    path = shutil.which(program)
    packages = {"clang": "clang libclang-rt-dev"}.get(program, program)
    assert path, f"this test needs {program}; on Debian: apt-get install {packages}"
    return path


def run(*command: str | Path, **environment: str) -> str:
    """Run a program that has to succeed; return what it printed."""
    done = subprocess.run(
        command,
        cwd=DISTRIBUTION,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def build_driver(folder: Path, compiler: str, flags: str) -> Path:
    """Build the driver with the objects that `setup.py` makes."""
    settings = {"CC": need(compiler), "CFLAGS": flags, "LDFLAGS": flags}
    temporary, library = folder / "temporary", folder / "library"
    build = [sys.executable, "setup.py", "build_ext", "--build-temp", str(temporary)]
    run(*build, "--build-lib", library, **settings)
    objects = [path for path in temporary.rglob("*.o") if path.name != "binding.o"]
    driver = folder / "driver"
    command = [compiler, "-std=c11", "-O1", *flags.split(), "-Icsrc", str(HERE / "driver.c")]
    run(*command, *objects, "-o", driver)
    return driver


def build_emulated(folder: Path, compiler: str, flags: str) -> Path:
    """Build the driver with kernels for vectors of 64 bytes, for a CPU that may have none."""
    command = [need(compiler), "-std=c11", "-O1", *flags.split(), "-Icsrc"]
    objects = []
    for streams in (1, 2, 4):
        objects.append(folder / f"kernel_{streams}.o")
        macros = {"VECTOR_BYTES": 64, "STREAMS": streams, "KERNEL_SCAN": f"kernel_scan_{streams}"}
        definitions = [f"-D{name}={value}" for name, value in macros.items()]
        # GCC notes that functions with such vectors are called in another way with AVX-512.
        run(*command, "-Wno-psabi", *definitions, "-c", "csrc/kernel.c", "-o", objects[-1])
    driver = folder / "driver"
    run(*command, *(HERE / name for name in ("driver.c", "emulated.c")), *objects, "-o", driver)
    return driver


def supported_variants() -> set[str]:
    """Return the variants that this CPU can run, as the extension says."""
    from hashfinder.kernel.native import supported_variants  # noqa: PLC0415  # may not be built

    return set(supported_variants())


def agreeing(output: str) -> set[str]:
    """Return the variants that the driver has compared."""
    return {line.partition(":")[0] for line in output.splitlines() if line.endswith("agree")}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_agrees_with_a_reference_in_c(tmp_path: Path, compiler: str) -> None:
    """Any scan, for each instruction set, as each compiler builds it without a warning."""
    driver = build_driver(tmp_path, compiler, STRICT)

    assert supported_variants() == agreeing(run(driver, SEED, "300000"))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_is_clean_under_sanitizers(tmp_path: Path, compiler: str) -> None:
    """No access out of bounds, no leak, no undefined behaviour in any variant."""
    driver = build_driver(tmp_path, compiler, SANITIZE)

    assert supported_variants() == agreeing(run(driver, SEED, "100000"))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_algorithm_for_avx512_agrees_on_any_cpu(tmp_path: Path, compiler: str) -> None:
    """What only the widest vectors run is right and clean, even where there are none."""
    driver = build_emulated(tmp_path, compiler, SANITIZE)

    assert {"1 stream", "2 streams", "4 streams"} == agreeing(run(driver, SEED, "100000"))


def test_is_clean_under_valgrind(tmp_path: Path) -> None:
    """No use of what was never written. Valgrind has no AVX-512."""
    valgrind = need("valgrind")
    driver = build_driver(tmp_path, "gcc", "-g1")

    options = ("--quiet", "--error-exitcode=9", "--leak-check=full")
    output = run(valgrind, *options, driver, SEED, "10000")

    assert {name for name in supported_variants() if "512" not in name} == agreeing(output)
