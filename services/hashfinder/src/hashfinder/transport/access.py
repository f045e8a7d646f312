"""Authentication and authorization, before a request is read."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from hashfinder.access.policy import Policy, Reflection, Role, Rule
from hashfinder.access.token_file import Tokens
from hashfinder.domain.allowance import Allowance
from hashfinder.domain.errors import (
    AccessDeniedError,
    CertificateUnknownError,
    NotAllowedError,
    TokenMissingError,
    TokenUnknownError,
)
from hashfinder.transport.adapt import Rpc, RpcContext
from hashfinder.transport.admin import ADMIN_SERVICE
from hashfinder.transport.health import HEALTH_SERVICE
from hashfinder.transport.identity import is_local
from hashfinder.transport.peer_certificate import name_in

ON_BEHALF_OF_KEY = "hashfinder-on-behalf-of"
"""The metadata in which a gateway names the user for whom it asks."""
_USER = re.compile(r"[!-~]{1,128}")
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]{1,1024}=*)", re.IGNORECASE)
_REFLECTION = "grpc.reflection."


class AccessSource(Protocol):
    """What access is decided by, at the moment."""

    @property
    def tokens(self) -> Tokens | None:
        """The tokens; None where none are used."""

    @property
    def policy(self) -> Policy:
        """The rules."""


class AccessControl:
    """Identifies the client of each RPC, and decides whether it may call."""

    def __init__(
        self, source: AccessSource, identify: Callable[[str], str], *, certificates: bool = True
    ) -> None:
        """Store the rules, and the function that returns the client of an anonymous peer.

        Without `certificates` clients are not asked for any: none is looked for.
        """
        self.identify = identify
        self._source = source
        self._certificates = certificates

    def allowance_of(self, client: str) -> Allowance:
        """Return what a client may have now."""
        return self._source.policy.rule_of(client).allowance

    def client_of(self, rpc: Rpc, context: RpcContext) -> str:
        """Return who asks.

        A token counts before a certificate: it belongs to the RPC, not to the connection.

        Raises:
            AccessDeniedError: the client may not, or does not say who it is.
        """
        peer = context.peer()
        if rpc.service == HEALTH_SERVICE:  # of no one's: a probe has no identity
            return self.identify(peer)
        policy = self._source.policy
        sent = _sent(context)
        client, rule = None, policy.anonymous
        if self._certificates or "authorization" in sent:
            client, rule = self._known(policy, peer, sent, context.auth_context())
        if client is None:
            client = self.identify(peer)
            if not rule.allowed:
                raise TokenMissingError
        elif rule.gateway and ON_BEHALF_OF_KEY in sent:
            client, rule = _user_of(sent[ON_BEHALF_OF_KEY], policy)
        if rpc.service.startswith(_REFLECTION):
            _check_reflection(policy, rule)
        if rpc.service == ADMIN_SERVICE and rule.role is not Role.OPERATOR:
            message = "only operators may see and stop the searches of others"
            raise NotAllowedError(message)
        return client

    def _known(
        self,
        policy: Policy,
        peer: str,
        sent: Mapping[str, list[str | bytes]],
        auth: Mapping[str, Iterable[bytes]],
    ) -> tuple[str | None, Rule]:
        """Return the client that says who it is, with its rule; None for one that does not."""
        client = self._of_token(peer, sent, auth)
        denied: AccessDeniedError = NotAllowedError("this client may not use the server")
        if client is None and (client := name_in(auth)) is not None:
            rule = policy.rule_of(client)
            if rule is policy.unlisted:
                message = "the client certificate is valid, but the server does not know its name"
                denied = CertificateUnknownError(message)
        if client is None:
            return None, policy.anonymous
        rule = policy.rule_of(client)
        if not rule.allowed:
            raise denied
        return client, rule

    def _of_token(
        self,
        peer: str,
        sent: Mapping[str, list[str | bytes]],
        auth: Mapping[str, Iterable[bytes]],
    ) -> str | None:
        tokens = self._source.tokens
        values = sent.get("authorization")
        if tokens is None or values is None:
            return None
        # Refused even if it is right: whoever is on the way has read it.
        if b"ssl" not in auth.get("transport_security_type", ()) and not is_local(peer):
            message = "tokens are accepted only over TLS or from this machine: replace this one"
            raise NotAllowedError(message)
        [value, *others] = values
        found = _BEARER.fullmatch(value) if isinstance(value, str) else None
        name = tokens.name_of(found[1]) if found and not others else None
        if name is None:
            raise TokenUnknownError
        return f"token:{name}"


class OpenAccess:
    """Allows everyone who can connect: for addresses that the system itself protects."""

    def __init__(self, identify: Callable[[str], str]) -> None:
        """Take what returns the client of a peer."""
        self.identify = identify

    def client_of(self, _rpc: Rpc, context: RpcContext) -> str:
        """Return the client of the peer."""
        return self.identify(context.peer())


def _sent(context: RpcContext) -> dict[str, list[str | bytes]]:
    sent: dict[str, list[str | bytes]] = {}
    for key, value in context.metadata:
        if key in {"authorization", ON_BEHALF_OF_KEY}:
            sent.setdefault(key, []).append(value)
    return sent


def _user_of(values: list[str | bytes], policy: Policy) -> tuple[str, Rule]:
    """Return the user named by a gateway, and the user's rule."""
    [value, *others] = values
    if others or not isinstance(value, str) or not _USER.fullmatch(value):
        message = f"{ON_BEHALF_OF_KEY} must be one name of 1 to 128 printable ASCII characters"
        raise NotAllowedError(message)
    user = f"user:{value}"
    rule = policy.rule_of(user)
    if not rule.allowed:
        message = "the user that the gateway names may not use the server"
        raise NotAllowedError(message)
    return user, rule


def _check_reflection(policy: Policy, rule: Rule) -> None:
    if policy.reflection is Reflection.EVERYONE:
        return
    if rule is policy.anonymous:
        raise TokenMissingError
    if policy.reflection is Reflection.OPERATORS and rule.role is not Role.OPERATOR:
        message = "only operators may use reflection"
        raise NotAllowedError(message)
