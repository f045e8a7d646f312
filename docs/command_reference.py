"""The reference of the command line: the help of each command, as it prints it."""

import textwrap
from collections.abc import Iterator
from typing import Any

import typer

from hashfinder_cli.app import app
from hashfinder_cli.exit_codes import EPILOG

_WIDTH = 100
_SHARED_TABLE = textwrap.indent(EPILOG.removeprefix("\b\n"), "  ")


def command_reference() -> str:
    """Return the help of each command; the table of exit codes stands in the first alone."""
    (name, whole), *commands = helps()
    sections = [(name, whole), *((own, _without_table(text)) for own, text in commands)]
    return "\n".join(f"## {name}\n\n```text\n{text}\n```\n" for name, text in sections)


def helps() -> Iterator[tuple[str, str]]:
    """Yield name and help of `hashfinder` and of each of its commands, groups before their own."""
    yield from _helps(typer.main.get_command(app), "hashfinder", None)


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of Click
    with command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=_WIDTH
    ) as context:
        yield _path(context), command.get_help(context)
        for own in getattr(command, "commands", {}).values():
            yield from _helps(own, own.name, context)


def _path(context: Any) -> str:  # noqa: ANN401 - of Click
    """Return a command's name; `command_path` would have the arguments of its groups as well."""
    return f"{_path(context.parent)} {context.info_name}" if context.parent else context.info_name


def _without_table(text: str) -> str:
    return text.replace(f"\n\n{_SHARED_TABLE}", "")
