"""The client refuses only what it cannot send; the server checks everything else."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hashfinder_cli.app import app
from hashfinder_client.division import DEFAULT_RANGE_SIZE


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
        (["x", "--timeout", "-1"], "--timeout"),
        (["x", "--timeout", "1e400"], "--timeout"),
        (["x", "--progress-interval", "nan"], "--progress-interval"),
        (["x", "--progress-interval", "1e300"], "--progress-interval"),
        (["x", "--progress-interval", "-1"], "--progress-interval"),
        (["x", "--retry", "9999999999"], "--retry"),
        (["x", "--range-size", "1e9", "--shards", "2"], "--range-size"),
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
        (["x", "--shard", "0/two"], "--shard"),
        (["x", "--shards", "two"], "--shards"),
        (["x", "--shard", "-1/3"], "--shard"),
        (["x", "--shard", "1000000/9999999"], "--shard"),
        (["x", "--shard", "0/2", "--shards", "2"], "--shards and --shard"),
        (["x", "--shards", "2", "--range-size", "0"], "--range-size"),
        (["x", "--range-size", "5"], "--range-size"),
        (["x", "--result-file", "/nowhere/at/all"], "--result-file"),
        (["x", "--result-file", ""], "--result-file"),
        (["x", "--fast"], "--fast"),
        (["x", "--algorithm", "md5"], "--algorithm"),
        (["x", "--encoding", "base58"], "--encoding"),
        (["x", "--anchor", "middle"], "--anchor"),
        (["00", "--encoding", "binary"], "--anchor"),
        (["x?", "--wildcard", "??"], "--wildcard"),
        (["xy", "--wildcard", "y"], "--wildcard"),
        (["x", "--secret-prefix-hex", "abc"], "--secret-prefix-hex"),
        (["x", "--secret-suffix-hex", "xy"], "--secret-suffix-hex"),
        (["x", "--secret-prefix-file", "/nowhere/at/all"], "--secret-prefix-file"),
        (["x", "--secret-suffix-file", "/dev/zero"], "--secret-suffix-file"),
        (["x", "--secret-prefix", "a", "--secret-prefix-hex", "00"], "--secret-prefix-hex"),
        (["x", "--secret-suffix", "a", "--secret-suffix-file", "b"], "--secret-suffix-file"),
        (["x", "--secret-prefix", "a" * 49153], "--secret-prefix"),
        (["x", "--alphabet", "aab"], "--alphabet"),
        (["x", "--alphabet", "a"], "--alphabet"),
        (["x", "--alphabet", ""], "--alphabet"),
        (["x", "--alphabet", "\N{GREEK SMALL LETTER ALPHA}b"], "--alphabet"),
        (["x", "--secret-length", "-1"], "--secret-length"),
        (["x", "--secret-length", "1025"], "--secret-length"),
        (["x", "--zero-bits", "8"], "--zero-bits and NAME"),
        (["--zero-bits", "8", "--trailing-zero-bits", "8"], "exclude each other"),
        (["--zero-bits", "8", "--encoding", "hex"], "--zero-bits and --encoding"),
        (["--trailing-zero-bits", "8", "--anchor", "end"], "--anchor"),
        (["--zero-bits", "8", "--wildcard", "?"], "--wildcard"),
        (["--zero-bits", "8", "--case-sensitive"], "--case-sensitive"),
        (["--zero-bits", "0"], "--zero-bits"),
        (["--zero-bits", "161"], "1 to 160"),
        (["--trailing-zero-bits", "257", "--algorithm", "sha256"], "1 to 256"),
        (["x", "--count", "0"], "--count"),
        (["x", "--count", "2", "--shard", "0/2"], "--count and --shard"),
    ],
)
def test_usage(arguments: list[str], culprit: str) -> None:
    """The exit code is 2, and the message names the argument."""
    done = CliRunner().invoke(app, ["find", *arguments])

    assert (2, "") == (done.exit_code, done.stdout)
    assert culprit in done.stderr.splitlines()[-1]
    assert "\x1b" not in done.stderr


def test_help_of_range_size() -> None:
    """The help, which must not load gRPC, has the actual default."""
    done = CliRunner().invoke(app, ["find", "--help"])

    assert f"Hashes in a range ({DEFAULT_RANGE_SIZE})" in done.stdout


@pytest.mark.parametrize("given", ["nan", "inf", "-1", "0", "soon"])
@pytest.mark.parametrize("flag", ["--timeout", "--wait"])
def test_usage_of_health(flag: str, given: str) -> None:
    """Invalid times are refused, with the name of their flag."""
    done = CliRunner().invoke(app, ["health", flag, given])

    assert (2, "") == (done.exit_code, done.stdout)
    assert flag in done.stderr.splitlines()[-1]


def test_usage_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value from the environment is refused with the name of its variable."""
    monkeypatch.setenv("HASHFINDER_SERVER", "two")

    done = CliRunner().invoke(app, ["health"])

    assert 2 == done.exit_code
    assert "HASHFINDER_SERVER" in done.stderr
    assert "must be HOST:PORT" in done.stderr


@pytest.mark.parametrize(
    "words",
    ["find x --result-file FILE ", "find x --result-file FILE --", "--version find x --result-f"],
)
def test_completion_has_no_side_effects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    """TAB neither writes the file named on the line, nor acts on its options."""
    file = tmp_path / "r.json"
    file.write_text("kept")
    line = "hashfinder " + words.replace("FILE", str(file))
    monkeypatch.setenv("_HASHFINDER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))

    done = CliRunner().invoke(app, [], prog_name="hashfinder")

    assert "kept" == file.read_text()
    assert "0.1.0" not in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [["--timeout", "0"], ["--range-size", "5"], ["--fast"], ["--shard", "0/2", "--shards", "2"]],
)
def test_usage_error_has_no_side_effects(tmp_path: Path, wrong: list[str]) -> None:
    """After a usage error the result file is unchanged, wherever the error is."""
    file = tmp_path / "r.json"
    file.write_text("kept")
    given = ["--result-file", str(file)]

    codes = [
        CliRunner().invoke(app, ["find", "x", *words]).exit_code
        for words in ([*given, *wrong], [*wrong, *given])
    ]

    assert [2, 2] == codes
    assert "kept" == file.read_text()
