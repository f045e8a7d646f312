"""A client's token, read from a file."""

import errno
from pathlib import Path

import grpc
import pytest

from hashfinder_client import Finder, Tls
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.token_file import TokenFile

FIRST = "first-token-of-a-client"
SECOND = "second-token-of-a-client="


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A token file in the format of `hashfinder-server new-token`."""
    path = tmp_path / "token"
    path.write_text(f"{FIRST}\n")
    path.chmod(0o600)
    return path


def sent(token: TokenFile) -> str:
    """Return the value that an RPC sends."""
    [(key, value)] = token.metadata()
    assert "authorization" == key
    return value


def test_next_rpc_has_the_new_token_once_the_file_has_changed(path: Path) -> None:
    """While the file is invalid or missing, the last token remains in use."""
    token = TokenFile(path)
    assert f"Bearer {FIRST}" == sent(token)
    path.write_text(SECOND)
    assert f"Bearer {SECOND}" == sent(token)
    path.write_text("half")
    assert f"Bearer {SECOND}" == sent(token)
    path.unlink()
    assert f"Bearer {SECOND}" == sent(token)
    path.write_text(FIRST)
    assert f"Bearer {FIRST}" == sent(token)


def test_file_that_could_not_be_read_is_read_for_the_next_rpc(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as when the process had no file descriptor left."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    token = TokenFile(path)
    path.write_text(SECOND)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        assert f"Bearer {FIRST}" == sent(token)
    assert f"Bearer {SECOND}" == sent(token)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"two tokens-of-a-client",
        b"\xff" * 20,
        b"a" * 1025,
        b"line-one-is-long\nline",
    ],
)
def test_invalid_file_is_named_but_not_quoted(path: Path, content: bytes) -> None:
    """Its contents may be secret."""
    path.write_bytes(content)
    with pytest.raises(ValueError, match="must have a token of 16 to 1024") as caught:
        TokenFile(path)
    assert str(path) in str(caught.value)
    assert "client" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The error has the system's reason."""
    with pytest.raises(ValueError, match=r"token_file: cannot read .*/none: No such file"):
        Finder("127.0.0.1:1", token_file=tmp_path / "none")


@pytest.mark.parametrize(
    "target", ["search.example:50051", "dns:///search.example:1", "10.0.0.1:1"]
)
def test_token_is_not_sent_over_a_network_in_plain_text(path: Path, target: str) -> None:
    """The error comes before anything is sent; TLS is accepted."""
    token = TokenFile(path)
    with pytest.raises(ValueError, match="over TLS, or to a server on this machine, only"):
        token.check_way(target, None)
    token.check_way(target, Tls())
    with pytest.raises(ValueError, match="is neither"):
        Finder(target, token_file=path)


@pytest.mark.parametrize("target", ["127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/tmp/x"])
def test_token_is_sent_on_this_machine(path: Path, target: str) -> None:
    """With TLS or without."""
    for tls in (None, Tls()):
        TokenFile(path).check_way(target, tls)


def test_channel_of_the_caller_gets_no_token(path: Path) -> None:
    """Its security is unknown."""
    with (
        grpc.insecure_channel("127.0.0.1:1") as channel,
        pytest.raises(ValueError, match="token_file: nothing is known"),
    ):
        RenewableChannel(channel, lambda *_: channel, None, TokenFile(path))


def test_file_that_every_user_can_read_is_detected(path: Path) -> None:
    """The command line warns about it."""
    token = TokenFile(path)
    path.chmod(0o640)
    private = token.is_exposed
    path.chmod(0o644)
    assert (False, True) == (private, token.is_exposed)
    assert FIRST not in repr(token)
