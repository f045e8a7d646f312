"""The policy file, in TOML: read, checked, and made a `Policy`.

The checks are a table here: those of a library would name neither lines nor, in words of this file,
what is allowed.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, TypeAlias

from hashfinder.access.file_error import AccessFileError
from hashfinder.access.policy import Policy, Reflection, Role, Rule
from hashfinder.access.toml_lines import line_of, line_of_item
from hashfinder.domain.allowance import Allowance

_CLIENT = re.compile(
    r"token:[A-Za-z0-9][A-Za-z0-9._@-]{0,63}|(user:|spiffe://|dns:)[!-~]{1,256}|cn:[ -~]{1,256}"
)
_PATTERN = re.compile(r"(token:|user:|spiffe://|dns:|cn:)[ -~]{0,256}\*")
_CLIENT_FORM = "token:NAME, user:NAME, spiffe://TRUST-DOMAIN/PATH, dns:NAME or cn:NAME"
_MOST_NAMES = 10_000
_SHOWN = 80
"""Characters of a name in an error."""

_Table: TypeAlias = Mapping[str, Any]
_Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a value may be."""

    allowed: str
    accepts: Callable[[object], bool]


def _whole(least: int, most: int) -> _Entry:
    return _Entry(
        f"a whole number from {least} to {most}",
        lambda value: type(value) is int and least <= value <= most,
    )


def _one_of(kind: type[StrEnum]) -> _Entry:
    values = [str(each) for each in kind]
    return _Entry(" or ".join(map(repr, values)), lambda value: value in values)


_FLAG = _Entry("true or false", lambda value: isinstance(value, bool))
_TABLE = _Entry("a table", lambda value: isinstance(value, dict))
_NAMES = _Entry(
    f"a list of 1 to {_MOST_NAMES} names",
    lambda value: isinstance(value, list) and 0 < len(value) <= _MOST_NAMES,
)
LIMITS = {
    "searches": _whole(1, 100_000),
    "hash_rate": _whole(0, 10**15),
    "hash_burst": _whole(1, 2**64 - 1),
    "maximum_hashes": _whole(1, 2**64 - 1),
    "maximum_seconds": _whole(1, 31_536_000),
    "weight": _whole(1, 1000),
}
"""What a client may have: the fields of `Allowance`."""
_ANONYMOUS = {"allowed": _FLAG, **LIMITS}
_KNOWN = {**_ANONYMOUS, "role": _one_of(Role), "gateway": _FLAG}
_GROUP = {"members": _NAMES, **_KNOWN}
_FILE = {
    "reflection": _one_of(Reflection),
    "anonymous": _TABLE,
    "unlisted": _TABLE,
    "groups": _TABLE,
    "identities": _TABLE,
}


def parse_policy(text: str, defaults: Allowance, *, anonymous_allowed: bool) -> Policy:
    """Return the policy that a file has.

    Args:
        text: the file.
        defaults: what a client may have where the file says nothing.
        anonymous_allowed: whether anonymous clients are, where the file says nothing.

    Raises:
        AccessFileError: with everything that is wrong, its line, and what is allowed.
    """
    return _Parser(text, defaults).policy(anonymous_allowed=anonymous_allowed)


class _Parser:
    def __init__(self, text: str, defaults: Allowance) -> None:
        self._text = text
        self._base = Rule(defaults)
        self._problems: list[tuple[int | None, str]] = []
        self._listed: dict[str, Rule] = {}
        self._prefixes: dict[str, Rule] = {}

    def policy(self, *, anonymous_allowed: bool) -> Policy:
        read = self._section((), _parsed(self._text), _FILE)
        anonymous = self._section(("anonymous",), read.get("anonymous", {}), _ANONYMOUS)
        unlisted = self._section(("unlisted",), read.get("unlisted", {}), _ANONYMOUS)
        self._take_groups(read.get("groups", {}))
        self._take_identities(read.get("identities", {}))
        if self._problems:
            raise AccessFileError(self._problems)
        return Policy(
            anonymous=_merged(replace(self._base, allowed=anonymous_allowed), anonymous),
            unlisted=_merged(self._base, unlisted),
            listed=self._listed,
            prefixes=tuple(sorted(self._prefixes.items(), key=lambda each: -len(each[0]))),
            reflection=Reflection(read.get("reflection", Reflection.EVERYONE)),
        )

    def _take_groups(self, groups: _Table) -> None:
        group_of: dict[str, str] = {}
        for name, table in groups.items():
            path = ("groups", name)
            group = self._section(path, table, _GROUP)
            if isinstance(table, dict) and "members" not in table:
                self._refuse(path, f"has no 'members'; it needs {_NAMES.allowed}")
            rule = _merged(self._base, group)
            for member in group.get("members", ()):
                problem = _wrong_with_member(member) or (
                    f"{member!r} is a member of {_shown(group_of[member])} as well"
                    if member in group_of
                    else ""
                )
                if problem:
                    line = line_of_item(self._text, (*path, "members"), str(member))
                    self._problems.append((line, f"{_named((*path, 'members'))}: {problem}"))
                elif member.endswith("*"):
                    self._prefixes[member[:-1]] = rule
                else:
                    self._listed[member] = rule
                if isinstance(member, str):
                    group_of[member] = name

    def _take_identities(self, identities: _Table) -> None:
        for client, table in identities.items():
            path = ("identities", client)
            if not _CLIENT.fullmatch(client):
                self._refuse(path, f"must be named {_CLIENT_FORM}")
            section = self._section(path, table, _KNOWN)
            fitting = [prefix for prefix in self._prefixes if client.startswith(prefix)]
            group = self._prefixes[max(fitting, key=len)] if fitting else self._base
            self._listed[client] = _merged(self._listed.get(client, group), section)

    def _section(self, path: _Path, table: object, entries: Mapping[str, _Entry]) -> _Table:
        """Return what is valid in a table; note what is not."""
        if not isinstance(table, dict):
            self._refuse(path, "must be a table")
            return {}
        valid = {}
        for key, value in table.items():
            where = (*path, key)
            if key not in entries:
                known = ", ".join(entries)
                self._refuse(where, f"is not a setting; there are {known}")
            elif not entries[key].accepts(value):
                self._refuse(where, f"must be {entries[key].allowed}")
            else:
                valid[key] = value
        return valid

    def _refuse(self, path: _Path, problem: str) -> None:
        self._problems.append((line_of(self._text, path), f"{_named(path)} {problem}"))


def _parsed(text: str) -> _Table:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", str(error), re.DOTALL)
        line, problem = (int(found[2]), found[1]) if found else (None, str(error))
        raise AccessFileError([(line, f"is not TOML: {problem}")]) from None
    except RecursionError:
        raise AccessFileError([(None, "is nested too deeply")]) from None


def _wrong_with_member(member: object) -> str:
    if isinstance(member, str) and (_CLIENT.fullmatch(member) or _PATTERN.fullmatch(member)):
        return ""
    return (
        f"{_shown(str(member))} must be {_CLIENT_FORM}, or the beginning of one with * at its end"
    )


def _merged(rule: Rule, said: _Table) -> Rule:
    """Return `rule`, changed by a section."""
    limits = {each.name: said[each.name] for each in fields(Allowance) if each.name in said}
    return Rule(
        replace(rule.allowance, **limits),
        said.get("allowed", rule.allowed),
        Role(said.get("role", rule.role)),
        said.get("gateway", rule.gateway),
    )


def _named(path: _Path) -> str:
    return ".".join(
        step if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", step) else _shown(step) for step in path
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
