"""What cannot even be sent is refused here; all else is for the server to judge."""

import pytest
from typer.testing import CliRunner

from hashfinder_cli.arguments import app
from hashfinder_cli.search import DEFAULT_RANGE_SIZE


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ([], "NAME"),
        (["\udcff"], "NAME"),
        (["x", "--ideal-distance", "1.5"], "--ideal-distance"),
        (["x", "--ideal-distance", str(-(2**31) - 1)], "--ideal-distance"),
        (["x", "--show-inferior", str(2**31)], "--show-inferior"),
        (["x", "--start-position", "-1"], "--start-position"),
        (["x", "--start-position", str(2**64)], "--start-position"),
        (["x", "--maximum-hashes", str(2**64)], "--maximum-hashes"),
        (["x", "--timeout", "0"], "--timeout"),
        (["x", "--timeout", "nan"], "--timeout"),
        (["x", "--timeout", "inf"], "--timeout"),
        (["x", "--progress-interval", "nan"], "--progress-interval"),
        (["x", "--server", "localhost"], "--server"),
        (["x", "--server", "localhost:65536"], "--server"),
        (["x", "--server", "localhost:0"], "--server"),
        (["x", "--server", "localhost:\N{ARABIC-INDIC DIGIT SEVEN}"], "--server"),
        (["x", "--server", ":50051"], "--server"),
        (["x", "--server", "\x1b:50051"], "--server"),
        (["x", "--server", "dns:///localhost"], "--server"),
        (["x", "--server", "dns://names/localhost:50051"], "--server"),
        (["x", "--retry", "-1"], "--retry"),
        (["x", "--shards", "0"], "--shards"),
        (["x", "--servers", "1001"], "--servers"),
        (["x", "--shard", "3/3"], "--shard"),
        (["x", "--shard", "1"], "--shard"),
        (["x", "--shard", "-1/3"], "--shard"),
        (["x", "--shard", "1000000/9999999"], "--shard"),
        (["x", "--shard", "0/2", "--shards", "2"], "--shards and --shard"),
        (["x", "--shards", "2", "--range-size", "0"], "--range-size"),
        (["x", "--range-size", "5"], "--range-size"),
        (["x", "--result-file", "/nowhere/at/all"], "--result-file"),
        (["x", "--result-file", ""], "--result-file"),
        (["x", "--fast"], "--fast"),
    ],
)
def test_usage(arguments: list[str], culprit: str) -> None:
    """The exit code is 2, and the message names the argument."""
    done = CliRunner().invoke(app, ["find", *arguments])

    assert (2, "") == (done.exit_code, done.stdout)
    assert culprit in done.stderr.splitlines()[-1]
    assert "\x1b" not in done.stderr


def test_help_of_range_size() -> None:
    """The help, which is to appear without gRPC, tells the default that is in force."""
    done = CliRunner().invoke(app, ["find", "--help"])

    assert f"Hashes in a range ({DEFAULT_RANGE_SIZE})" in done.stdout
