"""`hashfinder pow`: stamps, events and answers, found by a real server and checked offline."""

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
    "content": 'naïve\n"]],"\t\\ \x7f\u2028 \N{GRINNING FACE} <&> \u0001/',
}


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    """Return a file with an event."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps(EVENT))
    return path


def test_stamp_has_its_bits(call: Run, module_server: ServerProcess) -> None:
    """The SHA-1 of the printed text has the zero bits, and the check agrees."""
    asked = ("2001:db8::1", "--bits", "16", "--date", "261126", "--extension", "x=1")
    done = call("pow", "hashcash", *asked, "--server", module_server.address)
    assert (0, "") == (done.returncode, done.stderr)
    stamp = done.stdout.strip()
    assert stamp.startswith("1:16:261126:2001:db8::1:x=1:")
    assert b"\0\0" == hashlib.sha1(stamp.encode(), usedforsecurity=False).digest()[:2]
    assert [0, 0, 1, 1] == [
        call("pow", "check", "hashcash", stamp, *asked).returncode
        for asked in (
            ("--resource", "2001:db8::1"),
            ("--bits", "16"),
            ("--bits", "17"),
            ("--resource", "2001:db8::2"),
        )
    ]
    assert 1 == call("pow", "check", "hashcash", stamp.replace(":16:", ":60:")).returncode


def test_event_gets_its_nonce_and_id(
    call: Run, module_server: ServerProcess, event_file: Path
) -> None:
    """The id is the SHA-256 of NIP-01's serialization; other tags and the content are unchanged."""
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
        call("pow", "check", "nostr", str(event_file), "--bits", bits).returncode
        for bits in ("12", "13")
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": "0" * 64}, f"not {'0' * 64}"),
        ({"tags": []}, "no nonce tag"),
        ({"tags": [["nonce", "1", "99"]]}, "99 promised"),
    ],
)
def test_invalid_event_fails_the_check(
    call: Run, event_file: Path, change: dict[str, object], sentence: str
) -> None:
    """A wrong id, no target, and a target that the id does not reach."""
    event_file.write_text(json.dumps(EVENT | change))
    done = call("pow", "check", "nostr", str(event_file))
    assert (1, "") == (done.returncode, done.stderr)
    assert sentence in done.stdout


@pytest.mark.parametrize(
    ("algorithm", "asked", "bits", "trailing"),
    [
        ("sha256", ("--bits", "11"), 11, False),
        ("sha1", ("--hex-zeros", "3", "--trailing", "--alphabet", "xyz"), 12, True),
        ("sha512", ("--bits", "9", "--suffix", " ü", "--length", "6"), 9, False),
    ],
)
def test_answer_has_its_bits(
    call: Run,
    module_server: ServerProcess,
    algorithm: str,
    asked: tuple[str, ...],
    bits: int,
    trailing: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The hash of prefix, answer and suffix has them; the check agrees, and refuses one more."""
    challenge = ("--algorithm", algorithm, "--prefix", "naïve:")
    searched = ("--server", module_server.address, "--json")
    done = call("pow", "bits", *challenge, *asked, *searched)
    assert (0, "") == (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    suffix = " ü" if "--suffix" in asked else ""
    digest = hashlib.new(algorithm, f"naïve:{report['answer']}{suffix}".encode()).digest()
    binary = f"{int.from_bytes(digest):0{8 * len(digest)}b}"
    zeros = len(binary) - len(binary.rstrip("0") if trailing else binary.lstrip("0"))
    assert zeros >= bits
    assert (digest.hex(), zeros) == (report["digest_hex"], report["zero_bits"])
    assert report["answer"]
    if "--alphabet" in asked:
        assert set(report["answer"]) <= set("xyz")
    if "--length" in asked:
        assert 6 == len(report["answer"])

    known = [word for word in asked if word not in {"--alphabet", "xyz", "--length", "6"}]
    assert 0 == call("pow", "check", "bits", report["answer"], *challenge, *known).returncode
    more = ("--bits", str(zeros + 1), *(("--trailing",) if trailing else ()))
    suffixes = ("--suffix", suffix) if suffix else ()
    done = call("pow", "check", "bits", report["answer"], *challenge, *more, *suffixes)
    assert (1, f"{zeros} zero bits, {zeros + 1} asked for\n") == (done.returncode, done.stdout)


def test_answer_that_is_not_found_can_be_resumed(call: Run, module_server: ServerProcess) -> None:
    """The printed command is the same, with the position reached."""
    asked = ("--bits", "200", "--prefix", "a b", "--maximum-hashes", "1000")
    done = call("pow", "bits", *asked, "--server", module_server.address)
    assert (3, "") == (done.returncode, done.stdout)
    assert "hashfinder pow bits --bits 200 --prefix 'a b'" in done.stderr
    assert "--start-position 1001" in done.stderr


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
        (("bits",), "one of --bits and --hex-zeros"),
        (("bits", "--bits", "8", "--hex-zeros", "2"), "one of --bits and --hex-zeros"),
        (("bits", "--bits", "257"), "1 to 256"),
        (("bits", "--hex-zeros", "41", "--algorithm", "sha1"), "--hex-zeros: must be 1 to 40"),
        (("bits", "--bits", "8", "--algorithm", "md5"), "--algorithm"),
        (("bits", "--bits", "8", "--alphabet", "aa"), "--alphabet"),
        (("bits", "--bits", "8", "--alphabet", "a\n"), "printable"),
        (("bits", "--bits", "8", "--length", "0"), "1 to 1024"),
        (("bits", "--bits", "8", "--prefix", "a" * 49153), "--prefix"),
        (("check", "hashcash", "0:1:2"), "the form"),
        (("check", "nostr", "/dev/null"), "not JSON"),
        (("check", "bits", "x"), "one of --bits and --hex-zeros"),
    ],
)
def test_wrong_usage_is_explained(call: Run, arguments: tuple[str, ...], sentence: str) -> None:
    """The message says what is wrong and what is allowed."""
    done = call("pow", *arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr


def test_estimate_comes_first_where_progress_is_asked_for(
    call: Run, module_server: ServerProcess
) -> None:
    """It is on stderr, so that a pipe gets only the answer; --json leaves it out."""
    asked = ("pow", "bits", "--bits", "12", "--progress", "--server", module_server.address)
    done = call(*asked)
    assert 0 == done.returncode
    assert done.stderr.startswith("1 in 4.1 k; half of such searches end within 2.8 k hashes (")
    assert 1 == len(done.stdout.splitlines())
    assert "" == call(*asked, "--json").stderr
    assert "" == call(*asked[:4], *asked[5:]).stderr
