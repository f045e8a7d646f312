"""Generate the package `hashfinder_proto` from its contracts, or check that it is up to date.

protoc runs on the bare file names. A path in front would become part of the descriptor's name, and
a program that also holds other stubs of `hash_name.proto` would crash with a duplicate symbol.
The price is absolute imports in the generated modules and stubs, made relative afterwards.
"""

import argparse
import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

PROTO_ROOT = Path(__file__).resolve().parent
PACKAGE = PROTO_ROOT / "src" / "hashfinder_proto"
FILES = ("hash_name.proto", "hash_name_admin.proto")
IMPORTERS = {
    "hash_name_pb2_grpc": "hash_name_pb2",
    "hash_name_admin_pb2": "hash_name_pb2",
    "hash_name_admin_pb2_grpc": "hash_name_admin_pb2",
}
"""The generated modules that import another one, with the one that they import."""


def generate(target: Path) -> None:
    """Write the generated files into `target`.

    Raises:
        subprocess.CalledProcessError: protoc refused the file, and has printed why.
        ValueError: a module has not the one import that is made relative.
    """
    # The plugin stands beside the interpreter, whether or not the environment is activated.
    plugin = Path(sys.executable).parent / "protoc-gen-mypy"
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", "--proto_path=."),
            *(f"--plugin=protoc-gen-mypy={plugin}", f"--plugin=protoc-gen-mypy_grpc={plugin}_grpc"),
            *(f"--python_out={target}", f"--grpc_python_out={target}"),
            *(f"--mypy_out=quiet:{target}", f"--mypy_grpc_out=quiet:{target}"),
            *FILES,
        ],
        cwd=PROTO_ROOT,
        check=True,
    )
    for name, imported in IMPORTERS.items():
        for suffix in (".py", ".pyi"):
            make_import_relative(target / f"{name}{suffix}", imported)


def make_import_relative(module: Path, imported: str) -> None:
    """Turn the one import of `imported` in `module` into a relative one."""
    text = module.read_text(encoding="utf-8")
    absolute = f"\nimport {imported} as "
    if text.count(absolute) != 1:
        message = f"{module.name}: expected {absolute.strip()!r} exactly once"
        raise ValueError(message)
    relative = f"\nfrom . import {imported} as "
    module.write_text(text.replace(absolute, relative), encoding="utf-8")


def generated_files(folder: Path) -> dict[str, str]:
    """Return the text of the generated files in `folder` by name."""
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("hash_name*_pb2*.py*"))
    }


def drift() -> str:
    """Return a unified diff from the package's files to newly generated ones; empty for none."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        expected = generated_files(Path(folder))
    actual = generated_files(PACKAGE)
    return "".join(
        line
        for name in sorted(expected | actual)
        for line in difflib.unified_diff(
            actual.get(name, "").splitlines(keepends=True),
            expected.get(name, "").splitlines(keepends=True),
            f"proto/src/hashfinder_proto/{name}",
            f"{name} as generated now",
        )
    )


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if a file is out of date"
    )
    if not parser.parse_args().check:
        generate(PACKAGE)
        return 0
    if difference := drift():
        sys.stdout.write(difference)
        sys.stderr.write("The generated files are out of date. Run: make proto\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
