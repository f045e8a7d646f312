"""The reference of the client library: its public names, as declarations with their docstrings."""

import ast
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import TypeAlias, get_args

_GROUPS = {
    "Searching": "Finder AsyncFinder LocalServer",
    "What to search for": "Query",
    "What happens in a search": "SearchEvent Match Progress Pause",
    "Settings": "RetryPolicy Tls",
    "Errors": (
        "FinderError StoppedError BudgetSpentError TimeLimitError BusyError UnavailableError"
        " TlsError DeadlinePassedError InvalidSearchError AccessDeniedError StoppedByOperatorError"
        " OutdatedServerError VerificationError FinderClosedError LocalServerError"
    ),
}
_RULES = {"scheme": "Scheme Algorithm Encoding Anchor", "keyspace": "Keyspace"}
_RUFF = str(Path(sys.executable).with_name("ruff"))
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def client_reference() -> str:
    """Return the reference of all public names of `hashfinder_client`, by what they are for.

    Raises:
        ValueError: a public name has no place here, or one here is not public.
    """
    client = import_module("hashfinder_client")
    names = {name for group in _GROUPS.values() for name in group.split()}
    if different := names ^ set(client.__all__):
        message = f"the groups and hashfinder_client.__all__ differ: {sorted(different)}"
        raise ValueError(message)
    return "\n".join(
        "\n".join(
            [f"## {title}\n", *(_entry(name, getattr(client, name)) for name in group.split())]
        )
        for title, group in _GROUPS.items()
    )


def rules_reference() -> str:
    """Return the reference of those names of `hashfinder_rules` that a query is made of."""
    return "\n".join(
        _entry(name, getattr(import_module(f"hashfinder_rules.{module}"), name))
        for module, names in _RULES.items()
        for name in names.split()
    )


def _entry(name: str, value: object) -> str:
    if not inspect.isclass(value):
        return f"### {name}\n\n{' or '.join(f'`{each.__name__}`' for each in get_args(value))}.\n"
    return f"### {name}\n\n```python\n{_declaration(value)}```\n"


def _declaration(value: type) -> str:
    """Return a class without the bodies of its functions and without what is private."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class
    body = _members(tree, value) if issubclass(value, Enum) else _public(tree)
    shown = _Resolved(vars(sys.modules[value.__module__]))
    statements = "\n".join(_text(shown.visit(each)) for each in body)
    bases = [ast.Name("Enum") if _is_private(base) else base for base in tree.bases]
    head = ast.unparse(ast.ClassDef(tree.name, bases, [], [], tree.decorator_list))
    return _formatted(f"{head}\n{textwrap.indent(statements, '    ')}")


def _formatted(code: str) -> str:
    command = [_RUFF, "format", "--line-length=100", "-"]
    return subprocess.run(command, input=code, capture_output=True, check=True, text=True).stdout


def _members(tree: ast.ClassDef, value: type[Enum]) -> Iterator[ast.stmt]:
    """Yield the members of an enumeration with their values, and its public functions."""
    for each in tree.body:
        if isinstance(each, ast.Assign) and isinstance(target := each.targets[0], ast.Name):
            yield ast.Assign([target], ast.Constant(value[target.id].value), lineno=0)
        elif not isinstance(each, _Function) or not each.name.startswith("_"):
            yield _without_body(each)


def _public(tree: ast.ClassDef) -> Iterator[ast.stmt]:
    """Yield what a user sees of a class."""
    for each in tree.body:
        if not isinstance(each, _Function):
            yield each
        elif each.name == "__init__":
            yield from _attributes(each)
            yield _without_body(each)
        elif not each.name.startswith("_"):
            yield _without_body(each)


def _attributes(constructor: _Function) -> Iterator[ast.stmt]:
    """Yield the attributes that a constructor sets and documents, as fields."""
    arguments = (*constructor.args.args, *constructor.args.kwonlyargs)
    types = {each.arg: each.annotation for each in arguments if each.annotation}
    for one, after in pairwise(constructor.body):
        match one:
            case ast.Assign(targets=[ast.Attribute(attr=name)]) if name in types:
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    yield ast.AnnAssign(ast.Name(name), types[name], value=None, simple=1)
                    yield after
            case _:
                pass


def _without_body(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, _Function):
        has_docstring = ast.get_docstring(statement) is not None
        statement.body = statement.body[:1] if has_docstring else [ast.Expr(ast.Constant(...))]
    return statement


def _text(statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(docstring))):
            text = inspect.cleandoc(docstring)
            end = "\n" if "\n\n" in text else ""
            return f'"""{text}{end}"""'
        case _:
            return ast.unparse(statement)


def _is_private(name: ast.expr) -> bool:
    return ast.unparse(name).startswith("_")


class _Resolved(ast.NodeTransformer):
    """Puts the values of constants and of private types in the place of their names."""

    def __init__(self, known: Mapping[str, object]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self._known.get(node.id)
        if isinstance(value, int | float):
            return ast.Constant(value)
        if isinstance(value, UnionType) and _is_private(node):
            return ast.parse(str(value), mode="eval").body
        return node
