"""The file with the end of a search."""

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.view import result_file
from hashfinder_cli.view.ending import Ending
from hashfinder_client.query import Query
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests.unit.cli.view.findings import FINDING, MATCH


def test_result_and_end(tmp_path: Path) -> None:
    """It has a line for the result and one for the end, in place of its old contents."""
    file = tmp_path / "result"
    file.write_text("x" * 10_000)
    inode = file.stat().st_ino
    result_file.write_end(str(file), FINDING, Ending(code=ExitCode.FOUND, sentence="", status="OK"))

    result, end = map(json.loads, file.read_text().splitlines())
    assert ("result", 553195) == (result["type"], result["position"])
    assert ("end", 0) == (end["type"], end["exit_code"])
    assert inode == file.stat().st_ino


def test_small_whatever_a_server_says(tmp_path: Path) -> None:
    """It stays below 4096 bytes, and always contains the position."""
    file = tmp_path / "result"
    much = "\N{GRINNING FACE}" * 10_000
    ending = Ending(
        code=ExitCode.UNAVAILABLE,
        sentence=much,
        reason=much,
        kernel=much,
        request_id=much,
        status="UNAVAILABLE",
        next_position=2**64 - 1,
        best=MATCH,
    )

    result_file.write_end(str(file), None, ending)

    assert file.stat().st_size < 4096
    end = json.loads(file.read_text())
    assert (5, "UNAVAILABLE", 2**64 - 1) == (end["exit_code"], end["status"], end["next_position"])
    assert end["message"]


def test_small_whatever_the_secret(tmp_path: Path) -> None:
    """The longest secret with the longest hash, as result and as best candidate, fits as well."""
    file = tmp_path / "result"
    longest = replace(MATCH, secret=b'"' * 1024, hashed_name="0" * 512)
    query = Query("0", scheme=Scheme(Algorithm.SHA512, Encoding.BINARY, Anchor.START))
    finding = replace(FINDING, query=query, match=longest)
    ending = Ending(code=ExitCode.BUDGET_SPENT, sentence="x", next_position=7, best=longest)

    result_file.write_end(str(file), finding, ending)

    assert file.stat().st_size < 4096
    result, end = map(json.loads, file.read_text().splitlines())
    assert longest.secret == b64decode(result["secret"])
    assert 7 == end["next_position"]
