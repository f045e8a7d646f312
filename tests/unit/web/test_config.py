"""The gateway's settings: flags, variables, and errors that name both."""

import shlex

import pytest

from hashfinder_process.settings import SettingsInvalidError
from hashfinder_web.config import Settings


def test_every_flag_is_a_variable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flag takes precedence."""
    monkeypatch.setenv("HASHFINDER_WEB_PORT", "1234")
    monkeypatch.setenv("HASHFINDER_WEB_MAXIMUM_SEARCHES", "7")
    monkeypatch.setenv("HASHFINDER_PORT", "9")

    settings = Settings.load(["--maximum-searches", "8"])

    assert (1234, 8) == (settings.port, settings.maximum_searches)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--server", "[::1]:50051"], "http://[::1]:9464/metrics"),
        (["--server", "dns:///hf.example:50051"], "http://hf.example:9464/metrics"),
        (["--server-metrics", "http://x:1/m"], "http://x:1/m"),
    ],
)
def test_metrics_are_at_the_servers_host_by_default(flags: list[str], expected: str) -> None:
    """Unless their address is set."""
    assert expected == Settings.load(flags).metrics_url


def test_allowed_hosts_are_a_list() -> None:
    """The host that is listened on is always allowed."""
    settings = Settings.load(["--allowed-hosts", "A.example , b", "--host", "here.example"])

    assert {"a.example", "b", "here.example"} == settings.host_names


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        ("server", "nonsense", "must be HOST:PORT or dns:///HOST:PORT"),
        ("server-metrics", "ftp://x/", "must be a URL such as"),
        ("allowed-hosts", "a.example:80", "must be names of hosts without ports"),
        ("port", "65536", "must be a whole number from 0 to 65535, not '65536'"),
        ("maximum-searches", "0", "must be a whole number from 1 to 10000, not '0'"),
        ("peer-seconds", "1", "must be a whole number from 2 to 3600, not '1'"),
        ("drain-grace", "nan", "must be a number from 0 to 3600"),
        ("log-format", "xml", "must be auto or json or console, not 'xml'"),
    ],
)
def test_an_invalid_value_is_named_with_its_range(flag: str, value: str, reason: str) -> None:
    """The error has its flag and its variable."""
    variable = f"HASHFINDER_WEB_{flag.upper().replace('-', '_')}"

    with pytest.raises(SettingsInvalidError) as caught:
        Settings.load([f"--{flag}={value}"])

    assert str(caught.value).startswith(f"--{flag} ({variable}) {reason}")


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--ca=/nowhere"], "--ca (HASHFINDER_WEB_CA): cannot read /nowhere"),
        (["--certificate=/nowhere"], "--certificate and --key: certificate and key need"),
        (["--token-file=/nowhere"], "--token-file (HASHFINDER_WEB_TOKEN_FILE): cannot read /nowh"),
        (["--key=/nowhere"], "--certificate and --key: certificate and key need"),
    ],
)
def test_unusable_tls_files_are_named(flags: list[str], reason: str) -> None:
    """They are checked with the settings, not at the first search."""
    with pytest.raises(SettingsInvalidError) as caught:
        Settings.load(flags).check_files()

    assert str(caught.value).startswith(reason)


def test_plain_text_is_the_default() -> None:
    """With `--tls` alone, the system's CAs are trusted."""
    assert Settings.load([]).security is None
    assert Settings.load(["--tls"]).security is not None


def test_a_unix_socket_has_no_default_for_metrics() -> None:
    """Their address must be set."""
    assert not Settings.load(["--server=unix:/run/hf"]).metrics_url


def test_tracing_without_its_packages_says_what_is_missing() -> None:
    """The error is one sentence."""
    with pytest.raises(SettingsInvalidError) as caught:
        Settings.load(["--tracing"])
    assert (
        "--tracing (HASHFINDER_WEB_TRACING) needs the packages of an extra:"
        " pip install 'hashfinder-web[tracing]'"
    ) == str(caught.value)


def test_examples_of_the_help_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """Each shows flags that exist, with values that they take, in lines that fit a terminal."""
    with pytest.raises(SystemExit):
        Settings.load(["--help"])
    lines = capsys.readouterr().out.splitlines()
    examples = [line.strip() for line in lines if line.startswith("  hashfinder-web")]
    assert len(examples) >= 5
    for example in examples:
        Settings.load(shlex.split(example)[1:])
        assert len(example) <= 90
