"""The kernel in C against a reference in C, with each compiler, sanitizers and valgrind.

Run by `make test-kernel`. Nothing is skipped: if a program is not installed, its tests fail and say
how to install it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(900)]

Item = TypeVar("Item")
Result = TypeVar("Result")
HERE = Path(__file__).parent
DISTRIBUTION = HERE.parents[2] / "services" / "hashfinder"
COMPILERS = ("gcc", "clang")
STRICT = "-Wall -Wextra -Werror"
# sanitizers change the loops, about which GCC then warns; other builds check warnings
SANITIZE = "-g1 -fsanitize=address,undefined -fno-sanitize-recover=all"
# with unrolled rounds the compilers take minutes
ROLLED = f"{SANITIZE} -O1 -DUNROLL="
SEED = 20261122
PRINT_VARIANTS = """
import json, runpy, sys
sys.argv = ["setup.py", "--version"]
print(json.dumps(runpy.run_path("setup.py")["VARIANTS"]))
"""
PACKAGES = {
    "clang": "clang libclang-rt-dev",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-aarch64": "qemu-user",
}


def need(program: str) -> str:
    """Return the program's path; fail if it is not installed."""
    path = shutil.which(program)
    packages = PACKAGES.get(program, program)
    assert path, f"this test needs {program}; on Debian: apt-get install {packages}"
    return path


def run(*command: str | Path, **environment: str) -> str:
    """Run a program that must succeed; return its output."""
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


def in_parallel(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the function's result for each item; as many run at once as there are CPUs."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))


def build_driver(folder: Path, compiler: str, flags: str) -> Path:
    """Build the driver with the objects of `setup.py`."""
    settings = {"CC": need(compiler), "CFLAGS": flags, "LDFLAGS": flags}
    temporary, library = folder / "temporary", folder / "library"
    build = [sys.executable, "setup.py", "build_ext", "--build-temp", str(temporary)]
    run(*build, "--build-lib", library, **settings)
    objects = [path for path in temporary.rglob("*.o") if path.name != "binding.o"]
    return link(folder, compiler, flags, *objects)


def build_sanitized(folder: Path, compiler: str) -> Path:
    """Build the driver with the variants of `setup.py` and sanitizers."""
    printed = run(sys.executable, "-c", PRINT_VARIANTS)

    def compile_one(item: tuple[str, tuple[int, list[str]]]) -> Path:
        name, (size, flags) = item
        return compile_variant(folder, compiler, f"{ROLLED} {' '.join(flags)}", name, size)

    objects = in_parallel(compile_one, json.loads(printed.splitlines()[-1]).items())
    return link(folder, compiler, SANITIZE, "csrc/scanner.c", "csrc/variants.c", *objects)


def build_emulated(folder: Path, compiler: str) -> Path:
    """Build the driver with a kernel for 64-byte vectors, for CPUs that may not have them."""
    # GCC notes that functions with such vectors have another calling convention with AVX-512.
    kernel = compile_variant(folder, compiler, f"{ROLLED} -Wno-psabi", "emulated", 64)
    return link(folder, compiler, SANITIZE, HERE / "emulated.c", "csrc/scanner.c", kernel)


def build_arm64(folder: Path) -> Path:
    """Build the driver for 64-bit Arm, as `setup.py` builds the kernel there."""
    compiler = "aarch64-linux-gnu-gcc"
    kernel = compile_variant(folder, compiler, f"{STRICT} -O3", "baseline", 16)
    sources = ("csrc/scanner.c", "csrc/variants.c")
    return link(folder, compiler, f"{STRICT} -static", *sources, kernel)


def compile_variant(folder: Path, compiler: str, flags: str, name: str, size: int) -> Path:
    """Compile the kernel; return the object's path."""
    built = folder / f"{name}.o"
    macros = [f"-DVARIANT={name}", f"-DVECTOR_BYTES={size}"]
    command = [need(compiler), "-std=c11", "-fno-strict-aliasing", *flags.split(), *macros]
    run(*command, "-c", "csrc/kernel.c", "-o", built)
    return built


def link(folder: Path, compiler: str, flags: str, *parts: str | Path) -> Path:
    """Build the driver with these sources and objects; return its path."""
    driver = folder / "driver"
    command: list[str | Path] = [
        need(compiler),
        "-std=gnu11",
        "-O2",
        *flags.split(),
        "-Icsrc",
        HERE / "driver.c",
    ]
    run(*command, *parts, "-pthread", "-o", driver)
    return driver


def supported_variants() -> set[str]:
    """Return the variants that this CPU can run, according to the extension."""
    from hashfinder.kernel.native import supported_variants  # noqa: PLC0415  # may not be built

    return set(supported_variants())


def agreeing(*driver: str | Path, candidates: int) -> set[str]:
    """Run the driver once per CPU with different seeds; return the variants that agreed."""
    count = os.cpu_count() or 1

    def compare(seed: int) -> set[str]:
        output = run(*driver, str(seed), str(-(-candidates // count)))
        return {line.partition(":")[0] for line in output.splitlines() if line.endswith("agree")}

    return set.intersection(*in_parallel(compare, range(SEED, SEED + count)))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver built by GCC without a warning, with line numbers for valgrind."""
    return build_driver(tmp_path_factory.mktemp("driver"), "gcc", f"{STRICT} -g1")


def test_agrees_with_a_reference_in_c(driver: Path) -> None:
    """Scans of a million candidates for each hash, encoding, anchor and instruction set."""
    assert supported_variants() == agreeing(driver, candidates=1_000_000)


def test_agrees_as_clang_builds_it(tmp_path: Path) -> None:
    """It also compiles without a warning."""
    driver = build_driver(tmp_path, "clang", STRICT)

    assert supported_variants() == agreeing(driver, candidates=100_000)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_is_clean_under_sanitizers(tmp_path: Path, compiler: str) -> None:
    """No variant has an access out of bounds, a leak or undefined behaviour."""
    driver = build_sanitized(tmp_path, compiler)

    assert supported_variants() == agreeing(driver, candidates=20_000)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_algorithm_for_avx512_agrees_on_any_cpu(tmp_path: Path, compiler: str) -> None:
    """The code for the widest vectors is correct and clean even on CPUs without them."""
    driver = build_emulated(tmp_path, compiler)

    assert {"emulated"} == agreeing(driver, candidates=5_000)


def test_agrees_on_arm64(tmp_path: Path) -> None:
    """The kernel for 64-bit Arm is cross-compiled, and correct in an emulator."""
    driver = build_arm64(tmp_path)

    assert {"baseline"} == agreeing(need("qemu-aarch64"), driver, candidates=5_000)


def test_is_clean_under_valgrind(driver: Path) -> None:
    """No uninitialised memory is used. Valgrind has neither AVX-512 nor SHA instructions."""
    valgrind = (need("valgrind"), "--quiet", "--error-exitcode=9", "--leak-check=full")

    compared = agreeing(*valgrind, driver, candidates=400)

    assert supported_variants() & {"avx2", "baseline"} == compared
