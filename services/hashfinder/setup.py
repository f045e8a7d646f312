"""Builds the C kernel: one object for each instruction set, and the extension around them.

The environment variable HASHFINDER_BUILD_KERNEL says what to build: ``native`` (the default), or
``python`` for a package without the extension, which runs the slow kernel in plain Python.
"""

import os
import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError

SOURCE = Path("csrc")
# Python's own flags come before these, with -fwrapv, which costs up to 6 % of the speed.
FLAGS = ["-std=c11", "-O3", "-fvisibility=hidden", "-fno-wrapv", "-fno-strict-aliasing"]

# Each instruction set: its name in csrc/variants.c, the bytes of a vector, the compiler's flags.
VARIANTS: dict[str, tuple[int, list[str]]] = {"baseline": (16, [])}
if platform.machine() in {"x86_64", "AMD64"}:
    avx512 = [f"-mavx512{part}" for part in ("f", "bw", "dq", "vl")]
    VARIANTS |= {
        "avx2": (32, ["-mavx2"]),
        "avx2sha": (32, ["-mavx2", "-msha"]),
        "avx512": (64, [*avx512, "-mtune=skylake-avx512"]),
    }

CANNOT_BUILD = """
The HashFinder kernel could not be built: {error}

It needs a C compiler (GCC or Clang) and the headers of the C library and of Python. On Debian:
    apt-get install gcc libc6-dev python3-dev
Or build without it; searches are then some thousand times slower:
    HASHFINDER_BUILD_KERNEL=python
"""


class BuildKernel(build_ext):
    """Compile the kernel once for each instruction set, then the extension around them."""

    def build_extension(self, ext: Extension) -> None:
        """Build the extension, or end with a text that says what is missing."""
        try:
            ext.extra_objects = [
                self.compile_variant(name, *options) for name, options in VARIANTS.items()
            ]
            super().build_extension(ext)
        except (CCompilerError, ExecError, PlatformError) as error:
            raise SystemExit(CANNOT_BUILD.format(error=error)) from error

    def compile_variant(self, name: str, size: int, flags: list[str]) -> str:
        """Compile the kernel for one instruction set; return the path of the object."""
        [built] = self.compiler.compile(
            [str(SOURCE / "kernel.c")],
            output_dir=str(Path(self.build_temp, name)),
            macros=[
                ("VARIANT", name),
                ("VECTOR_BYTES", str(size)),
            ],
            extra_postargs=[*FLAGS, *flags],
        )
        return built


def extensions() -> list[Extension]:
    """Return what HASHFINDER_BUILD_KERNEL asks for."""
    choice = os.environ.get("HASHFINDER_BUILD_KERNEL", "native")
    if choice not in {"native", "python"}:
        message = f"HASHFINDER_BUILD_KERNEL must be native or python, not {choice!r}"
        raise SystemExit(message)
    if choice == "python":
        return []
    return [
        Extension(
            "hashfinder.kernel._native",
            sources=[str(SOURCE / f"{name}.c") for name in ("binding", "scanner", "variants")],
            depends=[*map(str, SOURCE.glob("*"))],
            extra_compile_args=FLAGS,
            extra_link_args=["-pthread"],
            py_limited_api=True,
        )
    ]


native = extensions()
setup(
    ext_modules=native,
    cmdclass={"build_ext": BuildKernel},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if native else {},
)
