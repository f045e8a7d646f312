"""The package itself: what it needs, and that it has types."""

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


def test_the_oracle_shares_nothing_with_the_rules() -> None:
    """What the rules are compared with must not be them."""
    oracle = (Path(__file__).parents[2] / "oracle.py").read_text(encoding="utf-8")
    assert "hashfinder" not in oracle


def test_the_rules_are_typed() -> None:
    """The marker is what type checkers look for."""
    assert (PACKAGE / "py.typed").is_file()
