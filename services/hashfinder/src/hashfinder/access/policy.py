"""Who may do what: the rules, by the client that they are for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hashfinder.domain.allowance import Allowance

KINDS = ("token:", "user:", "spiffe://", "dns:", "cn:")
"""How the name of a known client begins: by what it is known. ``user:`` is whom a gateway names.

The names of anonymous clients, addresses and connections, begin otherwise.
"""


class Role(StrEnum):
    """What a client is to the server."""

    USER = "user"
    OPERATOR = "operator"
    """May also see and stop the searches of others."""


class Reflection(StrEnum):
    """Who may ask which services there are."""

    EVERYONE = "everyone"
    KNOWN = "known"
    OPERATORS = "operators"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a client may do."""

    allowance: Allowance
    allowed: bool = True
    """Whether it may do anything at all."""
    role: Role = Role.USER
    gateway: bool = False
    """Whether it is trusted to name the user for whom it asks."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a server."""

    anonymous: Rule
    """Of each client that does not say who it is."""
    unlisted: Rule
    """Of each known client that no rule names."""
    listed: Mapping[str, Rule] = field(default_factory=dict)
    """By the name of the client."""
    prefixes: tuple[tuple[str, Rule], ...] = ()
    """By how the name begins, the longest first."""
    reflection: Reflection = Reflection.EVERYONE

    def rule_of(self, client: str) -> Rule:
        """Return the rule of a client, known or anonymous."""
        if not is_known(client):
            return self.anonymous
        if (rule := self.listed.get(client)) is not None:
            return rule
        for prefix, rule in self.prefixes:
            if client.startswith(prefix):
                return rule
        return self.unlisted

    @property
    def rules(self) -> list[Rule]:
        """All rules."""
        of_prefixes = (rule for _, rule in self.prefixes)
        return [self.anonymous, self.unlisted, *self.listed.values(), *of_prefixes]


def is_known(client: str) -> bool:
    """Return whether `client` is the name of one that has said who it is."""
    return client.startswith(KINDS)
