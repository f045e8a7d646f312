"""The command line and the real server with every kind of search.

Each result is computed again here, with `hashlib` and `base64` alone.
"""

import hashlib
import json
import re
from base64 import b32encode, b64decode
from pathlib import Path

import pytest

from tests.integration.scripted import Run, hash_of
from tests.integration.server_process import ServerProcess


def columns(line: str) -> tuple[bytes, str, str]:
    """Return the secret, the hash and the secret's text from a line of five fields."""
    _, _, secret, hashed_name, text = line.split("\t")
    return b64decode(secret), hashed_name, text


def test_hex_at_the_start(call: Run, module_server: ServerProcess) -> None:
    """A hex prefix, of printable secrets behind a secret prefix."""
    asked = ["beef", "--encoding", "hex", "--anchor", "start", "--secret-prefix", "tree "]
    done = call("find", *asked, "--alphabet", "alnum", "--server", module_server.address)

    assert (0, "") == (done.returncode, done.stderr)
    secret, hashed_name, text = columns(done.stdout.rstrip("\n"))
    digest = hashlib.sha1(b"tree " + secret, usedforsecurity=False).hexdigest()
    assert (hashed_name, text) == (digest, secret.decode())
    assert hashed_name.startswith("beef")
    assert text.isalnum()


def test_zero_bits(call: Run, module_server: ServerProcess) -> None:
    """A proof of work over digits; the JSON says how the hash is computed."""
    asked = ["--zero-bits", "16", "--algorithm", "sha256", "--secret-prefix", "challenge:"]
    done = call("find", *asked, "--alphabet", "digits", "--json", "--server", module_server.address)

    assert (0, "") == (done.returncode, done.stderr)
    result, end = map(json.loads, done.stdout.splitlines())
    digest = hashlib.sha256(b"challenge:" + result["secret_text"].encode()).digest()
    assert digest.startswith(b"\0\0")
    assert result["secret_text"].isdecimal()
    assert ("sha256", "binary", digest.hex(), 0) == (
        result["algorithm"],
        result["encoding"],
        result["digest_hex"],
        end["exit_code"],
    )


def test_trailing_zero_bits(call: Run, module_server: ServerProcess) -> None:
    """The last bits of a SHA-512 work as well."""
    asked = ["--trailing-zero-bits", "12", "--algorithm", "sha512", "--secret-length", "3"]
    done = call("find", *asked, "--server", module_server.address)

    secret, hashed_name, _ = columns(done.stdout.rstrip("\n"))
    assert (0, 3) == (done.returncode, len(secret))
    number = int.from_bytes(hashlib.sha512(secret).digest())
    assert (0, format(number, "0512b")) == (number % 2**12, hashed_name)


def test_base32_with_a_suffix_of_bytes(
    call: Run, module_server: ServerProcess, tmp_path: Path
) -> None:
    """Prefix and suffix may be bytes, in hexadecimal or from a file."""
    suffix = tmp_path / "suffix"
    suffix.write_bytes(b"\xff\0\n")
    asked = ["NAME", "--encoding", "base32", "--anchor", "end", "--case-sensitive"]
    asked += ["--secret-prefix-hex", "00fe", "--secret-suffix-file", str(suffix)]
    done = call("find", *asked, "--server", module_server.address)

    assert (0, "") == (done.returncode, done.stderr)
    secret, hashed_name, _ = columns(done.stdout.rstrip("\n"))
    message = b"\0\xfe" + secret + b"\xff\0\n"
    digest = hashlib.sha1(message, usedforsecurity=False).digest()
    assert b32encode(digest).decode() == hashed_name
    assert hashed_name.endswith("NAME")


def test_count(call: Run, module_server: ServerProcess) -> None:
    """The first matches of a name with a wildcard come in order, and none is missing."""
    asked = ["d?c", "--wildcard", "?", "--server", module_server.address]
    done = call("find", *asked, "--count", "3")

    assert (0, "") == (done.returncode, done.stderr)
    positions = [int(line.split("\t")[1]) for line in done.stdout.splitlines()]
    secrets = (b"", *(bytes([a]) for a in range(256)))
    two = (bytes([a, b]) for a in range(256) for b in range(256))
    everything = [*secrets, *two]
    truth = [i for i, s in enumerate(everything) if re.search("d.c", hash_of(s), re.IGNORECASE)]
    assert truth[:3] == positions


@pytest.mark.parametrize(
    ("options", "code"), [(["--maximum-hashes", "2"], 3), (["--secret-length", "1"], 3)]
)
def test_count_that_is_not_reached(
    call: Run, module_server: ServerProcess, options: list[str], code: int
) -> None:
    """It exits 0 only with all of them; the end says how many were found."""
    asked = ["a?", "--wildcard", "?", "--count", "1000", "--server", module_server.address]
    done = call("find", *asked, *options)

    found = len(done.stdout.splitlines())
    assert code == done.returncode
    assert found == 0 or f"Found {found} of 1000. " in done.stderr


def test_refusal_names_flags(call: Run, module_server: ServerProcess) -> None:
    """Errors that only the server detects use the command line's names."""
    asked = ["xyz", "--encoding", "hex", "--server", module_server.address]
    done = call("find", *asked)

    assert (6, "") == (done.returncode, done.stdout)
    assert "  NAME: no hash comes closer to this name than a distance of 3" in done.stderr
    assert "--ideal-distance is 0" in done.stderr


def test_estimate(call: Run, module_server: ServerProcess) -> None:
    """The chance, the hashes and the time of a search, as text and as JSON; nothing is searched."""
    asked = ["estimate", "--zero-bits", "20", "--server", module_server.address]
    for_people, for_programs = call(*asked), call(*asked, "--json")

    assert (0, "") == (for_people.returncode, for_people.stderr)
    assert for_people.stdout.startswith("1 in 1.0 M\nmean: 1.0 M hashes\n")
    assert re.search(
        r"^50 % of such searches end within 726\.\d k hashes \([\d.]+ \w+ here\)$",
        for_people.stdout,
        re.MULTILINE,
    )
    estimate = json.loads(for_programs.stdout)
    assert ("estimate", 2.0**-20, 2.0**-20) == (
        estimate["type"],
        estimate["chance"],
        estimate["chance_upper_bound"],
    )
    assert estimate["hashes_per_second"] > 0


def test_estimate_without_a_server(call: Run) -> None:
    """It ends like a search without a server."""
    done = call("estimate", "doctor", "--server", "127.0.0.1:9")

    assert (5, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("Cannot connect to 127.0.0.1:9: ")
