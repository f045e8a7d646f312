"""The saved progress of a search: which files are refused, and when it is written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from hashfinder_cli.options.pattern import Pattern
from hashfinder_cli.options.search import Connection, Kept, Limits, Ranges, Shown, Wanted
from hashfinder_cli.options.secrets import Secrets
from hashfinder_cli.search import Search
from hashfinder_cli.state.identity import identity
from hashfinder_cli.state.keeper import SAVE_SECONDS, Keeper, kept
from hashfinder_cli.state.record import InvalidStateError, Record, from_bytes, to_bytes
from hashfinder_cli.state.state_file import StateFile
from hashfinder_cli.succession import Succession
from hashfinder_client.checkpoint import Checkpoint, RangeCheckpoint
from hashfinder_client.events import Match

RECORD = Record(
    (5, 2**63),
    Checkpoint((RangeCheckpoint(1, 2**62, (7, 8)), RangeCheckpoint(2, 9)), 3, hashes=4, best=1),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file that does not exist yet."""
    return tmp_path / "state"


def search(path: Path, **options: Any) -> Search:  # noqa: ANN401  # as for Search
    """Return a search with this state file."""
    return Search(Pattern(name="doctor"), kept=Kept(state=str(path)), **options)


def test_record_is_read_as_written(path: Path) -> None:
    """Numbers of 64 bits are exact."""
    who = identity(search(path))
    assert (who, RECORD) == from_bytes(to_bytes(who, RECORD))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\0\xff", "not a state"),
        (b"[" * 100_000, "not a state"),
        (b"{}", "not a state"),
        (b"7", "not a state"),
        (b'{"hashfinder_state": 2}', "version 2"),
        (to_bytes({}, RECORD)[:-20], "not a state"),
        (to_bytes({}, RECORD).replace(b"9", b"8"), "damaged"),
    ],
)
def test_invalid_file_is_refused_and_kept(path: Path, content: bytes, reason: str) -> None:
    """It is never overwritten."""
    path.write_bytes(content)
    with pytest.raises(typer.BadParameter, match=reason), kept(search(path)):
        pass
    assert content == path.read_bytes()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"pattern": Pattern(name="doctors")}, r"the name \(doctor there, doctors here\)"),
        ({"pattern": Pattern(name="doctor", ideal_distance=1)}, "--ideal-distance"),
        ({"pattern": Pattern(name="doctor", algorithm="sha256")}, "the hash"),
        ({"pattern": Pattern(name="doctor", encoding="base64url")}, "the encoding"),
        ({"pattern": Pattern(name="doctor", anchor="end")}, "the anchor"),
        ({"pattern": Pattern(name="doctor", case_sensitive=True)}, "--case-sensitive"),
        ({"pattern": Pattern(name="doctor", wildcard="?")}, "the wildcard"),
        ({"secrets": Secrets(secret_prefix="p")}, "before the secret"),
        ({"secrets": Secrets(secret_suffix="s")}, "after the secret"),
        ({"secrets": Secrets(alphabet="hex")}, "the alphabet"),
        ({"secrets": Secrets(secret_length=9)}, "the length of the secret"),
        ({"limits": Limits(start_position=1)}, "--start-position"),
        ({"limits": Limits(maximum_hashes=7)}, "--maximum-hashes"),
        ({"shown": Shown(show_inferior=1)}, "--show-inferior"),
        ({"wanted": Wanted(count=2)}, "--count"),
        ({"ranges": Ranges(shards=2)}, "--range-size"),
        ({"ranges": Ranges(shard="1/2")}, "--shard"),
    ],
)
def test_file_of_another_search_is_refused(path: Path, other: dict[str, Any], words: str) -> None:
    """The message names only what differs."""
    with kept(search(path)):
        content = path.read_bytes()
    asked = replace(search(path), **other)
    with pytest.raises(typer.BadParameter, match=f"differs in .*{words}"), kept(asked):
        pass
    assert content == path.read_bytes()


def test_server_and_output_may_change(path: Path) -> None:
    """The server, the number of servers, the timeout and the output format do not matter."""
    with kept(search(path, ranges=Ranges(shards=2))) as keeper:
        assert keeper
        keeper.save(RECORD)
    other = search(
        path,
        ranges=Ranges(shards=5),
        connection=Connection(server="elsewhere:1"),
        limits=Limits(timeout=5, retry=3),
        shown=Shown(progress=True, as_json=True),
    )
    with kept(other) as keeper:
        assert keeper
        assert RECORD == keeper.record


def test_second_process_is_refused(path: Path) -> None:
    """The second would overwrite the progress of the first."""
    with (
        kept(search(path)),
        pytest.raises(typer.BadParameter, match="another process uses"),
        kept(search(path)),
    ):
        pass


def test_it_is_written_at_intervals(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not more often; a failure is reported once, and the write is tried again."""
    now = 0.0
    file = StateFile.open(str(path))
    keeper = Keeper(file, {}, clock=lambda: now)
    assert keeper.save_if_due(lambda: RECORD) is None
    assert b"" == path.read_bytes()
    now = SAVE_SECONDS
    with monkeypatch.context() as patch:
        patch.setattr(file, "write", _full)
        error = keeper.save_if_due(lambda: RECORD)
        assert error
        assert 28 == error.errno
        now *= 2
        assert keeper.save_if_due(lambda: RECORD) is None
    now *= 2
    assert keeper.save_if_due(lambda: RECORD) is None
    assert ({}, RECORD) == from_bytes(path.read_bytes())
    keeper.save_if_due(Record, at_once=True)
    assert ({}, Record()) == from_bytes(path.read_bytes())
    file.close()


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_next_search_continues_after_the_saved_matches(path: Path) -> None:
    """With --count, earlier matches count, and the budget covers all processes together."""
    asked = search(path, wanted=Wanted(count=3), limits=Limits(maximum_hashes=50_000_000))
    succession = Succession(asked, Record((10_874_375, 12_263_059)))
    assert [10_874_375, 12_263_059] == [match.position for match in succession.found]
    query = succession.current.query
    assert (12_263_060, 50_000_000) == (query.first_position, query.limit)
    assert not succession.is_over
    succession.advance(Match.at(49_999_999, query.rules))
    assert succession.is_complete


def test_record_that_does_not_fit_is_refused(path: Path) -> None:
    """A range or a position that the search does not have."""
    asked = search(path, limits=Limits(maximum_hashes=10))
    for record in (
        Record(checkpoint=Checkpoint((RangeCheckpoint(1, 5),), 2)),
        Record(checkpoint=Checkpoint((RangeCheckpoint(0, 11),), 1)),
    ):
        with pytest.raises(InvalidStateError, match="does not fit"):
            Succession(asked, record)
