"""The kernel in C against a reference in C, with each compiler, under sanitizers and valgrind.

Run by `make test-kernel`. Nothing is skipped: where a program is not installed, its tests fail and
say how to install it.
"""

import json
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
    """Return the program's path; fail where it is not installed."""
    path = shutil.which(program)
    packages = PACKAGES.get(program, program)
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
    return link(folder, compiler, flags, *objects)


def build_sanitized(folder: Path, compiler: str) -> Path:
    """Build the driver with the variants of `setup.py` under sanitizers.

    At -O1: what sanitizers add to unrolled rounds takes the compilers many minutes at -O3.
    """
    printed = run(sys.executable, "-c", PRINT_VARIANTS)
    objects = [
        compile_variant(folder, compiler, f"{SANITIZE} -O1 {' '.join(flags)}", name, size, streams)
        for name, (size, streams, flags) in json.loads(printed.splitlines()[-1]).items()
    ]
    return link(folder, compiler, SANITIZE, "csrc/scanner.c", "csrc/variants.c", *objects)


def build_emulated(folder: Path, compiler: str, flags: str) -> Path:
    """Build the driver with kernels for vectors of 64 bytes, for a CPU that may have none."""
    objects = [
        # GCC notes that functions with such vectors are called in another way with AVX-512.
        compile_variant(
            folder, compiler, f"{flags} -Wno-psabi -O1", f"streams_{streams}", 64, streams
        )
        for streams in (1, 2, 4)
    ]
    return link(folder, compiler, flags, HERE / "emulated.c", "csrc/scanner.c", *objects)


def build_arm64(folder: Path) -> Path:
    """Build the driver for another architecture, as `setup.py` would build the kernel there."""
    compiler = "aarch64-linux-gnu-gcc"
    kernel = compile_variant(folder, compiler, f"{STRICT} -O3", "baseline", 16, 1)
    sources = ("csrc/scanner.c", "csrc/variants.c")
    return link(folder, compiler, f"{STRICT} -static", *sources, kernel)


def compile_variant(
    folder: Path, compiler: str, flags: str, name: str, size: int, streams: int
) -> Path:
    """Compile the kernel; return the object's path."""
    built = folder / f"{name}.o"
    macros = [f"-DVARIANT={name}", f"-DVECTOR_BYTES={size}", f"-DSTREAMS={streams}"]
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
    """Return the variants that this CPU can run, as the extension says."""
    from hashfinder.kernel.native import supported_variants  # noqa: PLC0415  # may not be built

    return set(supported_variants())


def agreeing(output: str) -> set[str]:
    """Return the variants that the driver has compared."""
    return {line.partition(":")[0] for line in output.splitlines() if line.endswith("agree")}


@pytest.mark.parametrize(("compiler", "candidates"), [("gcc", 1_000_000), ("clang", 100_000)])
def test_agrees_with_a_reference_in_c(tmp_path: Path, compiler: str, candidates: int) -> None:
    """Any scan of so many candidates for each hash, encoding, anchor and instruction set.

    As each compiler builds them without a warning.
    """
    driver = build_driver(tmp_path, compiler, STRICT)

    assert supported_variants() == agreeing(run(driver, SEED, str(candidates)))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_is_clean_under_sanitizers(tmp_path: Path, compiler: str) -> None:
    """No access out of bounds, no leak, no undefined behaviour in any variant."""
    driver = build_sanitized(tmp_path, compiler)

    assert supported_variants() == agreeing(run(driver, SEED, "20000"))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_algorithm_for_avx512_agrees_on_any_cpu(tmp_path: Path, compiler: str) -> None:
    """What only the widest vectors run is right and clean, even where there are none."""
    driver = build_emulated(tmp_path, compiler, SANITIZE)

    assert {"streams_1", "streams_2", "streams_4"} == agreeing(run(driver, SEED, "5000"))


def test_agrees_on_arm64(tmp_path: Path) -> None:
    """The kernel for 64-bit Arm, cross-compiled and run in an emulator, is right."""
    driver = build_arm64(tmp_path)

    assert {"baseline"} == agreeing(run(need("qemu-aarch64"), driver, SEED, "5000"))


def test_is_clean_under_valgrind(tmp_path: Path) -> None:
    """No use of what was never written. Valgrind has neither AVX-512 nor SHA instructions."""
    valgrind = need("valgrind")
    driver = build_driver(tmp_path, "gcc", "-g1")

    options = ("--quiet", "--error-exitcode=9", "--leak-check=full")
    output = run(valgrind, *options, driver, SEED, "400")

    assert supported_variants() & {"avx2", "baseline"} == agreeing(output)
