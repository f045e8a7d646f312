"""Write the code blocks of `cancellation.md` from the sources that they name.

A block that follows ``<!-- path name -->`` is the function or class of that qualified name in that
file, so that the guide shows what the tests run.
"""

import ast
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "cancellation.md"
BLOCK = re.compile(r"<!-- (?P<path>\S+) (?P<name>\S+) -->\n```python\n.*?```\n", re.DOTALL)

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def source_of(path: str, name: str) -> str:
    """Return the source of a function or class by its qualified name, with its decorators.

    Raises:
        LookupError: the file has no such definition.
    """
    text = (ROOT / path).read_text(encoding="utf-8")
    scope: list[ast.stmt] = ast.parse(text).body
    found: list[_Definition] = []
    for part in name.split("."):
        found = [each for each in scope if isinstance(each, _Definition) and each.name == part]
        if not found:
            message = f"{path} has no {name}"
            raise LookupError(message)
        scope = found[0].body
    node = found[0]
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = text.splitlines(keepends=True)[first - 1 : node.end_lineno]
    return textwrap.dedent("".join(lines))


def filled(guide: str) -> str:
    """Return the text of a guide with every block as its source says."""

    def replace(block: re.Match[str]) -> str:
        code = source_of(block["path"], block["name"])
        return f"<!-- {block['path']} {block['name']} -->\n```python\n{code}```\n"

    return BLOCK.sub(replace, guide)


if __name__ == "__main__":
    GUIDE.write_text(filled(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
