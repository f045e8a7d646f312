"""Groups of options: a dataclass whose fields are options of every command that takes it."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from typer.models import OptionInfo


def ungrouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` as Typer can read it: the fields of its groups are options of its own.

    Each group arrives in `command` as one value.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {}
    flat: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if is_dataclass(group := parameter.annotation):
            groups[parameter.name] = group
            flat += inspect.signature(groups[parameter.name], eval_str=True).parameters.values()
        else:
            flat.append(parameter)

    def run(**values: object) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in flat]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = signature.replace(parameters=keywords)  # type: ignore[attr-defined]
    return run


def words_of(*groups: Any) -> list[str]:  # noqa: ANN401 - groups of any kind
    """Return the options that make `groups`, flags first, as words of a command line.

    Arguments are left out, and options that have their defaults, unless the environment may
    change these.
    """
    flags: list[str] = []
    options: list[str] = []
    for group in groups:
        for field in fields(group):
            hint = get_type_hints(type(group), include_extras=True)[field.name]
            (info,) = getattr(hint, "__metadata__", (None,))
            value = getattr(group, field.name)
            if not isinstance(info, OptionInfo) or (value == field.default and not info.envvar):
                continue
            if value is None or value is False:  # nothing on a command line says so
                continue
            if value is True:
                flags.append(_flag(info, field.name))
            else:
                options += [_flag(info, field.name), str(value)]
    return flags + options


def _flag(info: OptionInfo, name: str) -> str:
    # In Annotated, Typer takes the first name as the default.
    named = [info.default, *(info.param_decls or ())]
    long = (each for each in named if isinstance(each, str) and each.startswith("--"))
    return next(long, "--" + name.replace("_", "-"))
