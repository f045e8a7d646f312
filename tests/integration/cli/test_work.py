"""`hashfinder pow`: stamps and events, found by a real server and checked offline."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.integration.scripted import Run
from tests.integration.server_process import ServerProcess

EVENT = {
    "pubkey": "a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243",
    "created_at": 1651794653,
    "kind": 1,
    "tags": [["t", 'quo"ted'], ["nonce", "1", "2"]],
    "content": 'naïve\n"]],"',
}


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    """Return a file with an event."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps(EVENT))
    return path


def test_stamp_is_worth_its_bits(call: Run, module_server: ServerProcess) -> None:
    """The SHA-1 of the printed text has the zeros, and the check agrees."""
    asked = ("2001:db8::1", "--bits", "16", "--date", "261126", "--extension", "x=1")
    done = call("pow", "hashcash", *asked, "--server", module_server.address)
    assert (0, "") == (done.returncode, done.stderr)
    stamp = done.stdout.strip()
    assert stamp.startswith("1:16:261126:2001:db8::1:x=1:")
    assert b"\0\0" == hashlib.sha1(stamp.encode(), usedforsecurity=False).digest()[:2]
    assert [0, 0, 1] == [
        call("pow", "check-hashcash", *arguments).returncode
        for arguments in ((stamp,), (stamp, "--bits", "16"), (stamp, "--bits", "17"))
    ]
    assert 1 == call("pow", "check-hashcash", stamp.replace(":16:", ":60:")).returncode


def test_event_gets_its_nonce_and_id(
    call: Run, module_server: ServerProcess, event_file: Path
) -> None:
    """The id is the SHA-256 of NIP-01's serialization; other tags and the content stay."""
    done = call("pow", "nostr", str(event_file), "--bits", "12", "--server", module_server.address)
    assert (0, "") == (done.returncode, done.stderr)
    event = json.loads(done.stdout)
    fields = [0, *(event[name] for name in ("pubkey", "created_at", "kind", "tags", "content"))]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    assert event["id"] == hashlib.sha256(text.encode()).hexdigest()
    assert event["id"].startswith("000")
    assert [["t", 'quo"ted'], ["nonce", event["tags"][1][1], "12"]] == event["tags"]
    assert EVENT["content"] == event["content"]
    event_file.write_text(done.stdout)
    assert [0, 1] == [
        call("pow", "check-nostr", str(event_file), "--bits", bits).returncode
        for bits in ("12", "13")
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("hashcash", "a b", "--bits", "8"), "without spaces"),
        (("hashcash", "a", "--bits", "161"), "1 to 160"),
        (("hashcash", "a", "--bits", "0"), "1 to 160"),
        (("hashcash", "a"), "--bits"),
        (("hashcash", "a", "--bits", "8", "--date", "261301"), "YYMMDD"),
        (("nostr", "/nonexistent", "--bits", "8"), "cannot read '/nonexistent'"),
        (("nostr", "/dev/zero", "--bits", "8"), "at most 65536 bytes"),
        (("check-hashcash", "0:1:2"), "the form"),
        (("check-nostr", "/dev/null"), "not JSON"),
    ],
)
def test_wrong_usage_is_a_sentence(call: Run, arguments: tuple[str, ...], sentence: str) -> None:
    """It names what is wrong and what is allowed."""
    done = call("pow", *arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr
