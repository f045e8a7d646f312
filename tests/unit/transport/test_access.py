"""Identify a client and check its permissions, with fake contexts."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import pytest

from hashfinder.access.policy import Policy
from hashfinder.access.policy_file import parse_policy
from hashfinder.access.token_file import Tokens, hash_token
from hashfinder.domain.errors import (
    AccessDeniedError,
    CertificateUnknownError,
    NotAllowedError,
    TokenMissingError,
    TokenUnknownError,
)
from hashfinder.transport.access import ON_BEHALF_OF_KEY, AccessControl
from hashfinder.transport.adapt import Rpc, RpcContext
from tests.unit.scheduling.allowances import AMPLE

FIND = Rpc("unary", "hash_name.HashFinder", "Find")
HEALTH = Rpc("unary", "grpc.health.v1.Health", "Check")
REFLECTION = Rpc("bidi_stream", "grpc.reflection.v1.ServerReflection", "ServerReflectionInfo")
NAMES = ("alice", "bob", "gate", "root")
POLICY = """
reflection = "known"
[anonymous]
allowed = true
[groups.hidden]
members = ["token:bob", "dns:bad.example", "user:bad"]
allowed = false
[identities."token:gate"]
gateway = true
[identities."token:root"]
role = "operator"
[identities."user:big"]
weight = 9
"""
REMOTE = "ipv4:192.0.2.1:50000"
LOCAL = "ipv4:127.0.0.1:50000"
PLAIN = {"transport_security_type": [b"insecure"]}
TLS = {"transport_security_type": [b"ssl"]}


class Source(NamedTuple):
    """What access is decided from."""

    tokens: Tokens | None
    policy: Policy


class Context:
    """A fake servicer context with a client's properties."""

    def __init__(
        self,
        *metadata: tuple[str, str | bytes],
        peer: str = REMOTE,
        auth: Mapping[str, list[bytes]] = TLS,
    ) -> None:
        """Store the client's metadata, address and certificate."""
        self.metadata = metadata
        self._peer = peer
        self._auth = auth

    def peer(self) -> str:
        """Return the client's address."""
        return self._peer

    def auth_context(self) -> Mapping[str, list[bytes]]:
        """Return the core's properties of the connection."""
        return self._auth


def control(policy: str = POLICY, *, tokens: bool = True) -> AccessControl:
    """Return an access control with this policy; each token is the client's name twice."""
    known = Tokens({hash_token(name * 2): name for name in NAMES}) if tokens else None
    return AccessControl(
        Source(known, parse_policy(policy, AMPLE, anonymous_allowed=not tokens)),
        lambda peer: f"address of {peer}",
    )


def bearer(name: str) -> tuple[str, str]:
    """Return the metadata with a token."""
    return ("authorization", f"Bearer {name * 2}")


def client_of(context: Context, rpc: Rpc = FIND, access: AccessControl | None = None) -> str:
    """Return the client's identity."""
    return (access or control()).client_of(rpc, cast("RpcContext", cast("Any", context)))


def denied(context: Context, rpc: Rpc = FIND, access: AccessControl | None = None) -> Any:  # noqa: ANN401
    """Return the type of the error with which a client is refused."""
    with pytest.raises(AccessDeniedError) as caught:
        client_of(context, rpc, access)
    assert "alicealice" not in str(caught.value)
    return type(caught.value)


def test_token_is_the_client() -> None:
    """It counts for any address; the case of the scheme "Bearer" does not matter."""
    assert "token:alice" == client_of(Context(bearer("alice")))
    assert "token:alice" == client_of(Context(("authorization", "bEARER  alicealice")))


@pytest.mark.parametrize(
    "values",
    [
        ["Bearer wrongwrong"],
        ["alicealice"],
        ["Bearer"],
        ["Basic alicealice"],
        ["Bearer alicealice "],
        ["Bearer alicealice", "Bearer alicealice"],
        [b"Bearer alicealice"],
        [""],
    ],
)
def test_anything_but_one_known_token_is_refused(values: list[str | bytes]) -> None:
    """Even if a valid certificate comes with it."""
    sent = [("authorization", value) for value in values]
    assert TokenUnknownError is denied(Context(*sent, auth={**TLS, "peer_dns": [b"a.example"]}))


def test_token_in_plain_text_is_taken_from_this_machine_only() -> None:
    """On a network the token can be read on the way, so it is refused even if it is valid."""
    assert NotAllowedError is denied(Context(bearer("alice"), auth=PLAIN))
    for peer in (LOCAL, "ipv6:%5B::1%5D:1", "ipv6:%5B::ffff:127.0.0.1%5D:1", "unix:"):
        assert "token:alice" == client_of(Context(bearer("alice"), peer=peer, auth=PLAIN))


def test_token_is_ignored_where_none_are_used() -> None:
    """It may be meant for a proxy."""
    access = control("", tokens=False)
    assert f"address of {REMOTE}" == client_of(Context(bearer("alice")), access=access)


def test_certificate_is_the_client_where_there_is_no_token() -> None:
    """A token belongs to the RPC, a certificate to its connection."""
    auth = {**TLS, "peer_dns": [b"a.example"]}
    assert "dns:a.example" == client_of(Context(auth=auth))
    assert "token:alice" == client_of(Context(bearer("alice"), auth=auth))


def test_refused_client_learns_whether_it_is_known() -> None:
    """A certificate that no rule names is unauthenticated; a known client is refused permission."""
    assert NotAllowedError is denied(Context(bearer("bob")))
    assert NotAllowedError is denied(Context(auth={**TLS, "peer_dns": [b"bad.example"]}))
    closed = control("unlisted.allowed = false")
    unlisted = Context(auth={**TLS, "peer_dns": [b"a.example"]})
    assert CertificateUnknownError is denied(unlisted, access=closed)
    assert NotAllowedError is denied(Context(bearer("alice")), access=closed)


def test_anonymous_client_is_its_address_or_refused() -> None:
    """The policy decides which."""
    assert f"address of {REMOTE}" == client_of(Context())
    assert TokenMissingError is denied(Context(), access=control(""))


def test_gateway_names_its_user() -> None:
    """The user is counted separately, with its own limits."""
    access = control()
    asked = Context(bearer("gate"), (ON_BEHALF_OF_KEY, "big"))
    assert "user:big" == client_of(asked, access=access)
    assert 9 == access.allowance_of("user:big").weight
    assert "token:gate" == client_of(Context(bearer("gate")), access=access)
    assert NotAllowedError is denied(Context(bearer("gate"), (ON_BEHALF_OF_KEY, "bad")))


@pytest.mark.parametrize("name", ["", "two words", "x" * 129, "line\nbreak", "é", b"bytes"])
def test_invalid_user_of_a_gateway_is_refused(name: str | bytes) -> None:
    """Otherwise it would count as the gateway, or break a line of the log."""
    assert NotAllowedError is denied(Context(bearer("gate"), (ON_BEHALF_OF_KEY, name)))


def test_gateway_names_one_user() -> None:
    """With several names, none of them is used."""
    twice = [(ON_BEHALF_OF_KEY, "a"), (ON_BEHALF_OF_KEY, "b")]
    assert NotAllowedError is denied(Context(bearer("gate"), *twice))


@pytest.mark.parametrize("sent", [[], [bearer("alice")], [bearer("root")]])
def test_user_is_ignored_unless_a_gateway_sends_it(sent: list[tuple[str, str]]) -> None:
    """From any other client, operators included, the name is ignored."""
    assert "user:" not in client_of(Context(*sent, (ON_BEHALF_OF_KEY, "big")))


def test_reflection_is_limited() -> None:
    """Either to known clients or to operators."""
    assert "token:alice" == client_of(Context(bearer("alice")), REFLECTION)
    assert TokenMissingError is denied(Context(), REFLECTION)
    operators = control(POLICY.replace('"known"', '"operators"'))
    assert "token:root" == client_of(Context(bearer("root")), REFLECTION, operators)
    assert NotAllowedError is denied(Context(bearer("alice")), REFLECTION, operators)
    everyone = control('reflection = "everyone"\nanonymous.allowed = true')
    assert f"address of {REMOTE}" == client_of(Context(), REFLECTION, everyone)


def test_health_is_for_everyone() -> None:
    """A probe has no identity; its metadata is not checked."""
    closed = control("anonymous.allowed = false")
    wrong = Context(("authorization", "Bearer wrong"), auth=PLAIN)
    assert f"address of {REMOTE}" == client_of(wrong, HEALTH, closed)


def test_without_client_certificates_none_is_looked_for() -> None:
    """What the core knows of the connection is asked for with a token alone: it is slow to get."""
    known = Tokens({hash_token("alicealice"): "alice"})
    policy = parse_policy(POLICY, AMPLE, anonymous_allowed=True)
    access = AccessControl(Source(known, policy), lambda peer: peer, certificates=False)
    auth = {**TLS, "peer_dns": [b"a.example"]}
    assert REMOTE == client_of(Context(auth=auth), access=access)
    assert "token:alice" == client_of(Context(bearer("alice"), auth=TLS), access=access)
    assert NotAllowedError is denied(Context(bearer("alice"), auth=PLAIN), access=access)
