"""Settings: from flags and environment to values, or to one message with everything invalid."""

import os
import shlex
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from hashfinder.config import Settings
from hashfinder.domain.address import TcpAddress, UnixAddress
from hashfinder_process.settings import SettingsInvalidError

RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65535),
    "metrics_port": (0, 65535),
    "maximum_hashes": (1, 2**64 - 1),
    "maximum_searches": (1, 100_000),
    "maximum_searches_per_client": (1, 100_000),
    "maximum_waiting": (0, 100_000),
    "maximum_connections": (1, 1_000_000),
    "wait_seconds": (0, 3600),
    "client_hash_rate": (0, 10**15),
    "maximum_seconds": (1, 31_536_000),
    "client_hash_burst": (1, 2**64 - 1),
    "client_ipv6_prefix": (1, 128),
    "workers": (1, 1024),
    "chunk_seconds": (0.0001, 1),
    "drain_delay": (0, 3600),
    "drain_grace": (0, 86400),
    "keepalive_seconds": (1, 7200),
    "connection_age_seconds": (0, 86400),
}
CHOICES: dict[str, list[str]] = {
    "client_identity": ["address", "connection"],
    "log_format": ["auto", "json", "console"],
    "log_level": ["debug", "info", "warning", "error"],
}
TEXTS = {"host", "kernel"}
FILES = {"tls_certificate", "tls_key", "tls_client_ca", "metrics_client_ca", "tokens", "policy"}
ADDRESSES = {"listen"}
SIDES = {"health_listen", "admin_listen"}
SWITCHES = {"metrics", "exit_with_stdin", "plain_text"}
EXTRAS = {"tracing"}
"""Switches that need packages that are not installed here."""
FLOATS = {"wait_seconds", "chunk_seconds", "drain_delay", "drain_grace", "keepalive_seconds"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own environment."""
    for name in [name for name in os.environ if name.upper().startswith("HASHFINDER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["pytest", "--port", "1"])


def flag(name: str) -> str:
    """Return a setting's flag."""
    return f"--{name.replace('_', '-')}"


def variable(name: str) -> str:
    """Return a setting's environment variable."""
    return f"HASHFINDER_{name.upper()}"


def value(settings: Settings, name: str) -> Any:  # noqa: ANN401  # of any setting
    """Return a setting."""
    return getattr(settings, name)


def complaint(*arguments: str) -> str:
    """Return the error message for these arguments."""
    with pytest.raises(SettingsInvalidError) as caught:
        Settings.load(list(arguments))
    return str(caught.value)


def test_tests_know_every_setting() -> None:
    """A new setting must be added to the tables above."""
    assert (
        set(Settings.model_fields)
        == RANGES.keys() | CHOICES.keys() | TEXTS | FILES | SWITCHES | ADDRESSES | SIDES | EXTRAS
    )


def test_defaults_are_used_for_unset_settings() -> None:
    """Only the arguments given count, not those of the process."""
    settings = Settings.load([])
    assert ("127.0.0.1", 50051, 9464) == (settings.host, settings.port, settings.metrics_port)
    assert settings.workers is None
    assert "auto" == settings.kernel
    assert 10**10 <= settings.maximum_hashes <= 10**11


def test_every_setting_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting has a description in the class, and --help shows it with its flag."""
    with pytest.raises(SystemExit) as caught:
        Settings.load(["--help"])
    assert 0 == caught.value.code
    page = capsys.readouterr().out
    words = " ".join(page.split())
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert flag(name) in page
        assert " ".join(field.description.split()) in words, name
    assert "hashfinder-server" in page


@pytest.mark.parametrize("edge", [0, 1])
@pytest.mark.parametrize("by_flag", [False, True])
def test_limits_of_a_range_are_inclusive(
    edge: int,
    by_flag: bool,  # noqa: FBT001  # a case of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From flags and from the environment."""
    limits = {name: limits[edge] for name, limits in RANGES.items()}
    flags = [f"{flag(name)}={limit}" for name, limit in limits.items()]
    if not by_flag:
        for name, limit in limits.items():
            monkeypatch.setenv(variable(name), str(limit))
    settings = Settings.load(flags if by_flag else [])
    assert limits == {name: value(settings, name) for name in limits}


@pytest.mark.parametrize("bad", ["below", "above", "x", "nan", "-inf", "1e400"])
def test_other_values_are_refused_with_flag_variable_and_range(bad: str) -> None:
    """The message has a line for each setting: its flag, variable and range, and the value."""
    flags, expected = [], set()
    for name, (low, high) in RANGES.items():
        step = 0.00001 if name in FLOATS else 1
        text = {"below": str(low - step), "above": str(high + step)}.get(bad, bad)
        kind = "a number" if name in FLOATS else "a whole number"
        flags.append(f"{flag(name)}={text}")
        expected.add(
            f"{flag(name)} ({variable(name)}) must be {kind} from {low} to {high}, not {text!r}"
        )
    lines = complaint(*flags).splitlines()
    assert (len(RANGES), expected) == (len(lines), set(lines))


def test_fractions_are_no_whole_numbers() -> None:
    """Fractions are refused rather than rounded."""
    names = RANGES.keys() - FLOATS
    lines = complaint(*(f"{flag(name)}=1.5" for name in names)).splitlines()
    starts = {line.partition(" from ")[0] for line in lines}
    assert {f"{flag(name)} ({variable(name)}) must be a whole number" for name in names} == starts


@pytest.mark.parametrize(
    ("name", "choice"), [(name, choice) for name in sorted(CHOICES) for choice in CHOICES[name]]
)
def test_choices_are_accepted(name: str, choice: str) -> None:
    """Each choice is accepted by its word."""
    assert choice == value(Settings.load([flag(name), choice]), name)


@pytest.mark.parametrize("name", sorted(CHOICES))
@pytest.mark.parametrize("bad", ["other", "JSON", "Address", "INFO"])
def test_other_words_are_refused_with_the_choices(
    name: str, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is case-sensitive."""
    monkeypatch.setenv(variable(name), bad)
    allowed = " or ".join(CHOICES[name])
    assert f"{flag(name)} ({variable(name)}) must be {allowed}, not {bad!r}" == complaint()


@pytest.mark.parametrize("name", sorted(ADDRESSES))
@pytest.mark.parametrize("by_flag", [False, True])
def test_addresses_are_ports_or_sockets(
    name: str,
    by_flag: bool,  # noqa: FBT001  # a case of the test
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Anything else is refused with the allowed forms."""
    for text in ("[::1]:0", "unix:/run/hashfinder.sock", "private"):
        monkeypatch.setenv(variable(name), text)
        settings = Settings.load([flag(name), text] if by_flag else [])
        assert text == value(settings, name)
    monkeypatch.setenv(variable(name), "unix:socket")
    expected = (
        f"{flag(name)} ({variable(name)}) must be HOST:PORT with a port from 0 to 65535,"
        " unix:/path of a file, or private, not 'unix:socket'"
    )
    assert expected == complaint(*([flag(name), "unix:socket"] if by_flag else []))


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_switches_are_flags_without_a_value(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a variable they need a value."""
    assert value(Settings.load([flag(name)]), name) is True
    assert value(Settings.load([f"--no-{name.replace('_', '-')}"]), name) is False
    for text, meant in (("true", True), ("0", False)):
        monkeypatch.setenv(variable(name), text)
        assert meant is value(Settings.load([]), name)
    monkeypatch.setenv(variable(name), "perhaps")
    assert f"{flag(name)} ({variable(name)}) must be true or false, not 'perhaps'" == complaint()


def test_tracing_without_its_packages_says_what_is_missing() -> None:
    """The sentence names the command that installs the packages."""
    assert (
        "--tracing (HASHFINDER_TRACING) needs the packages of an extra:"
        " pip install 'hashfinder[tracing]'"
    ) == complaint("--tracing")


def test_address_of_grpc_is_that_of_listen_or_of_host_and_port() -> None:
    """--host remains the address for metrics."""
    assert TcpAddress("::1", 7) == Settings.load(["--host", "::1", "--port", "7"]).address
    settings = Settings.load(["--host", "::1", "--listen", "unix:/run/hashfinder.sock"])
    assert UnixAddress("/run/hashfinder.sock") == settings.address


def test_listen_and_port_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any place, since one of them would be ignored; empty ones count as not given."""
    monkeypatch.setenv("HASHFINDER_PORT", "50051")
    sentence = "--listen (HASHFINDER_LISTEN) and --port (HASHFINDER_PORT) exclude each other"
    assert sentence == complaint("--listen", "unix:/run/hashfinder.sock")
    monkeypatch.setenv("HASHFINDER_PORT", "")
    assert Settings.load(["--listen", "127.0.0.1:0"]).listen


TLS = ("--tls-certificate", "server.pem", "--tls-key", "server.key")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--host", "127.8.9.1"],
        ["--host", "::1"],
        ["--host", "localhost"],
        ["--host", "192.0.2.1", "--listen", "unix:/run/hashfinder.sock"],
        ["--host", "192.0.2.1", "--listen", "127.0.0.1:0"],
        ["--host", "192.0.2.1", "--plain-text"],
        ["--host", "192.0.2.1", *TLS],
        ["--host", "192.0.2.1", *TLS, "--no-plain-text", "--tls-client-ca", "ca.pem"],
    ],
)
def test_plain_text_leaves_the_machine_only_if_asked_for(arguments: list[str]) -> None:
    """It needs loopback, a unix socket, a certificate, or --plain-text."""
    Settings.load(arguments)


@pytest.mark.parametrize("address", ["192.0.2.1:0", "[::]:0", "hashfinder.test:0", "0.0.0.0:0"])
def test_plain_text_on_other_addresses_is_refused(address: str) -> None:
    """The sentence names both alternatives."""
    sentence = complaint("--listen", address)
    assert sentence.startswith(f"{address} is not loopback: ")
    for name in ("tls_certificate", "tls_key", "plain_text"):
        assert f"{flag(name)} ({variable(name)})" in sentence


@pytest.mark.parametrize("text", ["true", "1", "yes", "false", "0"])
def test_plain_text_by_variable(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers set it by environment variable."""
    monkeypatch.setenv("HASHFINDER_PLAIN_TEXT", text)
    assert (text in {"true", "1", "yes"}) == Settings.load([]).plain_text


def test_switch_is_true_or_false(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other words are refused."""
    monkeypatch.setenv("HASHFINDER_PLAIN_TEXT", "perhaps")
    expected = "--plain-text (HASHFINDER_PLAIN_TEXT) must be true or false, not 'perhaps'"
    assert expected == complaint()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tls-key", "k"], "--tls-key (HASHFINDER_TLS_KEY) need each other"),
        (["--tls-certificate", "c"], "--tls-key (HASHFINDER_TLS_KEY) need each other"),
        (["--tls-client-ca", "c"], "needs --tls-certificate (HASHFINDER_TLS_CERTIFICATE)"),
        (["--metrics-client-ca", "c"], "needs --tls-certificate (HASHFINDER_TLS_CERTIFICATE)"),
        ([*TLS, "--listen", "unix:/s"], "is for a port: a unix socket is plain text"),
    ],
)
def test_settings_of_tls_fit_together(arguments: list[str], expected: str) -> None:
    """A setting that would have no effect is an error."""
    assert complaint(*arguments).endswith(expected)


def test_flags_come_before_the_environment_and_that_before_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each setting separately."""
    monkeypatch.setenv("HASHFINDER_PORT", "1001")
    monkeypatch.setenv("HASHFINDER_METRICS_PORT", "1002")
    settings = Settings.load(["--port", "2001"])
    assert (2001, 1002) == (settings.port, settings.metrics_port)
    assert 1024 == settings.maximum_searches


def test_flag_overrides_an_invalid_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is not used is not checked."""
    monkeypatch.setenv("HASHFINDER_PORT", "bad")
    assert 5 == Settings.load(["--port", "5"]).port


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's template may leave them empty."""
    for name in Settings.model_fields:
        monkeypatch.setenv(variable(name), "")
    settings = Settings.load([])
    for name, field in Settings.model_fields.items():
        assert field.default == value(settings, name), name


def test_everything_wrong_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, for flags and environment alike."""
    monkeypatch.setenv("HASHFINDER_WORKERS", "0")
    monkeypatch.setenv("HASHFINDER_LOG_LEVEL", "loud")
    lines = complaint("--port", "65536", "--chunk-seconds", "2").splitlines()
    assert [
        "--port (HASHFINDER_PORT) must be a whole number from 0 to 65535, not '65536'",
        "--workers (HASHFINDER_WORKERS) must be a whole number from 1 to 1024, not '0'",
        "--chunk-seconds (HASHFINDER_CHUNK_SECONDS) must be a number from 0.0001 to 1, not '2'",
        "--log-level (HASHFINDER_LOG_LEVEL) must be debug or info or warning or error, not 'loud'",
    ] == lines


@pytest.mark.parametrize("arguments", [["--prot", "1"], ["stray"], ["--port"], ["--maximum_x=1"]])
def test_unknown_flags_and_missing_values_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The usage goes to stderr."""
    with pytest.raises(SystemExit) as caught:
        Settings.load(arguments)
    assert 2 == caught.value.code
    captured = capsys.readouterr()
    assert "" == captured.out
    assert "usage: hashfinder-server" in captured.err


def test_settings_do_not_change() -> None:
    """Settings are immutable."""
    settings: Any = Settings.load([])
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_variables_of_other_programs_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes sets some for every service, such as HASHFINDER_PORT_50051_TCP."""
    monkeypatch.setenv("HASHFINDER_PORT_50051_TCP", "tcp://10.0.0.1:50051")
    monkeypatch.setenv("HASHFINDER_SERVICE_HOST", "10.0.0.1")
    assert 50051 == Settings.load([]).port


def test_side_addresses_are_ports_or_sockets() -> None:
    """Health may be served to any address, operators on this machine alone."""
    settings = Settings.load(
        ["--health-listen", "0.0.0.0:50052", "--admin-listen", "unix:/run/admin"]
    )
    assert TcpAddress("0.0.0.0", 50052) == settings.side_address("health_listen")  # noqa: S104
    assert UnixAddress("/run/admin") == settings.side_address("admin_listen")
    assert Settings.load(["--admin-listen", "[::1]:0"]).side_address("health_listen") is None


@pytest.mark.parametrize("address", ["0.0.0.0:1", "192.0.2.1:1", "admin.test:1"])
def test_operators_are_served_on_this_machine_alone(address: str) -> None:
    """The sentence gives the reason."""
    sentence = complaint("--admin-listen", address)
    assert sentence.startswith(
        "--admin-listen (HASHFINDER_ADMIN_LISTEN) must be on loopback or unix:/path, not"
        f" {address}: "
    )


@pytest.mark.parametrize("name", ["health_listen", "admin_listen"])
def test_side_address_cannot_be_private(name: str) -> None:
    """Its clients must know the address, so a new folder at each start is refused."""
    expected = f"{flag(name)} ({variable(name)}) must be HOST:PORT or unix:/path, not 'private'"
    assert expected == complaint(flag(name), "private")


def test_examples_of_the_help_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """Each shows flags that exist, with values that they take, in lines that fit a terminal."""
    with pytest.raises(SystemExit):
        Settings.load(["--help"])
    lines = capsys.readouterr().out.splitlines()
    examples = [line.strip() for line in lines if line.startswith("  hashfinder-server")]
    assert len(examples) >= 5
    for example in examples:
        Settings.load(shlex.split(example)[1:])
        assert len(example) <= 90
