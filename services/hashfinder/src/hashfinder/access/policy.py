"""The rules of the policy, by client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hashfinder.domain.allowance import Allowance

KINDS = ("token:", "user:", "spiffe://", "dns:", "cn:")
"""How the name of a known client begins: by what it is known. ``user:`` is whom a gateway names.

The names of anonymous clients, addresses and connections, begin otherwise.
"""


class Role(StrEnum):
    """The role of a client."""

    USER = "user"
    OPERATOR = "operator"
    """May also see and stop the searches of others."""


class Reflection(StrEnum):
    """Who may use reflection."""

    EVERYONE = "everyone"
    KNOWN = "known"
    OPERATORS = "operators"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a client may do."""

    allowance: Allowance
    allowed: bool = True
    """Whether it may use the server."""
    role: Role = Role.USER
    gateway: bool = False
    """Whether it may name the user that it calls for."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a server."""

    anonymous: Rule
    """For each client without a token or certificate."""
    unlisted: Rule
    """For each known client that no rule names."""
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
    """Return whether `client` has authenticated: whether its name begins with a kind."""
    return client.startswith(KINDS)
