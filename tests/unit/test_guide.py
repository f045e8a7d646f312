"""The code in docs/cancellation.md is the code that the tests run. `--update` writes it there.

`python tests/unit/test_guide.py --update` replaces each block by what it names.
"""

import ast
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "cancellation.md"
BLOCK = re.compile(
    r"<!-- (?P<path>\S+) (?P<name>\S+) -->\n```python\n(?P<code>.*?)```\n", re.DOTALL
)


def source_of(path: str, name: str) -> str:
    """Return the source of a function or class by its qualified name, with its decorators."""
    text = (ROOT / path).read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        node = next(
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and child.name == part
        )
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = text.splitlines(keepends=True)[first - 1 : node.end_lineno]
    return textwrap.dedent("".join(lines))


def rewritten(guide: str) -> str:
    """Return the guide with every block as its source says."""

    def replace(block: re.Match[str]) -> str:
        code = source_of(block["path"], block["name"])
        return f"<!-- {block['path']} {block['name']} -->\n```python\n{code}```\n"

    return BLOCK.sub(replace, guide)


def test_code_of_the_guide_is_code_that_runs() -> None:
    """Every block of the guide is what it names; none stands there without a name."""
    guide = GUIDE.read_text(encoding="utf-8")

    assert BLOCK.search(guide)
    assert guide.count("```python\n") == len(BLOCK.findall(guide))
    assert rewritten(guide) == guide


if __name__ == "__main__" and sys.argv[1:] == ["--update"]:
    GUIDE.write_text(rewritten(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
