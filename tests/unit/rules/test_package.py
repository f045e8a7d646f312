"""The package itself: its dependencies and its types."""

import ast
import sys
from pathlib import Path

import hashfinder_rules

PACKAGE = Path(hashfinder_rules.__file__).parent


def test_the_rules_import_the_standard_library_alone() -> None:
    """A program that verifies results needs neither gRPC nor protobuf."""
    imported: set[str] = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    roots = {name.partition(".")[0] for name in imported} - {"hashfinder_rules"}
    assert roots
    assert set() == roots - sys.stdlib_module_names


def test_the_oracle_is_independent_of_the_rules() -> None:
    """The rules are compared with it."""
    oracle = (Path(__file__).parents[2] / "oracle.py").read_text(encoding="utf-8")
    assert "hashfinder" not in oracle


def test_the_rules_are_typed() -> None:
    """It has the marker for type checkers."""
    assert (PACKAGE / "py.typed").is_file()
