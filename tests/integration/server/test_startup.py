"""Starting the process: settings, ports, and error messages."""

import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.program import Program
from tests.integration.samples import scrape
from tests.integration.scripted import Run
from tests.integration.server_process import (
    PROGRAM,
    ServerProcess,
    eventually,
    listening_ports,
    server_environment,
    server_flags,
)

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def run(server_program: Program) -> Run:
    """Run a server that ends by itself; without `defaults`, with these flags alone."""

    def run(
        *flags: str, env: dict[str, str] | None = None, defaults: bool = True, before: str = ""
    ) -> subprocess.CompletedProcess[str]:
        arguments = server_flags(*flags) if defaults else flags
        return server_program.run(arguments, server_environment(env), before=before)

    return run


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A loopback port that another socket listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("flag", ["--port", "--metrics-port"])
def test_port_in_use_is_an_error(run: Run, taken_port: int, flag: str) -> None:
    """A server that cannot listen names the address and exits 1."""
    ended = run(flag, str(taken_port))

    assert 1 == ended.returncode
    assert "" == ended.stdout
    [failed] = [
        line for line in map(json.loads, ended.stderr.splitlines()) if line["level"] == "error"
    ]
    assert f"127.0.0.1:{taken_port}" in failed["reason"]
    assert "Traceback" not in ended.stderr


def test_running_thread_does_not_prevent_the_exit(run: Run, taken_port: int) -> None:
    """A server that failed exits, even if a library's thread still runs."""
    before = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()"

    ended = run("--port", str(taken_port), before=before)

    assert 1 == ended.returncode
    assert f"127.0.0.1:{taken_port}" in ended.stderr


def test_port_of_another_server_is_in_use(run: Run, server: ServerProcess) -> None:
    """Two servers never share a port, although SO_REUSEPORT would let them."""
    ended = run("--port", server.address.rpartition(":")[2])

    assert 1 == ended.returncode
    assert server.address in ended.stderr


def test_foreign_address_is_an_error(run: Run) -> None:
    """The server cannot listen on an address of another machine."""
    ended = run("--host", "192.0.2.1", "--plain-text")

    assert 1 == ended.returncode
    assert "192.0.2.1" in ended.stderr
    assert "Traceback" not in ended.stderr


INVALID = {
    "port": ("70000", "0 to 65535"),
    "metrics-port": ("-1", "0 to 65535"),
    "maximum-hashes": ("0", "1 to 18446744073709551615"),
    "maximum-searches": ("2.5", "1 to 100000"),
    "maximum-searches-per-client": ("many", "1 to 100000"),
    "maximum-waiting": ("-1", "0 to 100000"),
    "wait-seconds": ("nan", "0 to 3600"),
    "client-hash-rate": ("1e3", "0 to 1000000000000000"),
    "maximum-seconds": ("0", "1 to 31536000"),
    "client-hash-burst": ("18446744073709551616", "1 to 18446744073709551615"),
    "client-identity": ("name", "address or connection"),
    "client-ipv6-prefix": ("129", "1 to 128"),
    "workers": ("0", "1 to 1024"),
    "chunk-seconds": ("0", "0.0001 to 1"),
    "drain-delay": ("-0.1", "0 to 3600"),
    "drain-grace": ("inf", "0 to 86400"),
    "keepalive-seconds": ("0.5", "1 to 7200"),
    "log-format": ("xml", "auto or json or console"),
    "log-level": ("loud", "debug or info or warning or error"),
}


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_every_invalid_setting_is_named_with_its_range(run: Run, by: str) -> None:
    """Exit 2, and for each setting a line with flag, variable, and allowed values."""
    variables = {name: f"HASHFINDER_{name.replace('-', '_').upper()}" for name in INVALID}
    flags: list[str] = []
    environment: dict[str, str] = {}
    for name, (value, _) in INVALID.items():
        if by == "flag":
            flags.append(f"--{name}={value}")
        else:
            environment[variables[name]] = value

    ended = run(*flags, env=environment, defaults=by == "flag")

    assert 2 == ended.returncode
    assert "" == ended.stdout
    lines = ended.stderr.splitlines()
    assert len(INVALID) == len(lines), ended.stderr
    for name, (value, allowed) in INVALID.items():
        [line] = [line for line in lines if f"--{name} ({variables[name]}) must be " in line]
        assert allowed.replace("1000000000000000", "") in line
        assert f"not '{value}'" in line


def test_all_invalid_settings_are_named_at_once(run: Run) -> None:
    """Three wrong settings are all reported, wherever they come from."""
    ended = run("--workers=0", "--chunk-seconds=5", env={"HASHFINDER_MAXIMUM_SEARCHES": "many"})

    assert 2 == ended.returncode
    for flag in ("--workers", "--chunk-seconds", "--maximum-searches"):
        assert f"{flag} (HASHFINDER_" in ended.stderr


@pytest.mark.parametrize("arguments", [["--wrokers", "2"], ["serve"], ["--workers"]])
def test_unknown_arguments_are_a_usage_error(run: Run, arguments: list[str]) -> None:
    """Exit 2, with the usage."""
    ended = run(*arguments)

    assert 2 == ended.returncode
    assert ended.stderr.startswith("usage: hashfinder-server")


@pytest.mark.parametrize("kernel", ["turbo", "native-mmx"])
def test_unknown_kernel_is_an_error_that_lists_the_known_ones(run: Run, kernel: str) -> None:
    """A kernel that is not available is never replaced silently."""
    ended = run(env={"HASHFINDER_KERNEL": kernel})

    assert 1 == ended.returncode
    [failed] = [json.loads(line) for line in ended.stderr.splitlines()]
    assert f"'{kernel}'" in failed["reason"]
    assert "python" in failed["reason"].partition("choose one of")[2]


def test_help_names_every_setting(run: Run) -> None:
    """--help exits 0 and lists each flag."""
    ended = run("--help")

    assert 0 == ended.returncode
    for flag in ("--host", "--port", "--metrics-port", "--maximum-hashes", "--workers", "--kernel"):
        assert flag in ended.stdout
    assert "largest budget of one search" in ended.stdout
    assert "" == ended.stderr


def test_version() -> None:
    """--version prints the distribution's version."""
    ended = subprocess.run(
        [*PROGRAM, "--version"], capture_output=True, text=True, timeout=30, check=True
    )

    assert f"hashfinder-server {version('hashfinder')}\n" == ended.stdout


def test_flags_come_before_the_environment(server_process: StartServer) -> None:
    """Flags take precedence over the environment; empty variables count as not set."""
    environment = {
        "HASHFINDER_WORKERS": "3",
        "HASHFINDER_KERNEL": "native-mmx",
        "HASHFINDER_LOG_LEVEL": "",
    }
    server = server_process("--kernel", "python", env=environment)

    assert (3, "python") == (server.workers, server.kernel)


def test_logged_addresses_are_those_served(server: ServerProcess) -> None:
    """A client can connect to the addresses in the log."""
    [serving] = server.logs("serving")

    assert version("hashfinder") == serving["version"]
    assert server.address.startswith("127.0.0.1:")
    assert server.metric("hashfinder_workers") == server.workers
    with server.stub() as stub:
        assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc")).secret


def test_ipv6(server_process: StartServer) -> None:
    """An IPv6 address is accepted without brackets, and printed in brackets."""
    server = server_process("--host", "::1")

    assert re.fullmatch(r"\[::1\]:\d+", server.address)
    assert server.metric("hashfinder_workers") == server.workers
    with server.stub() as stub:
        assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc")).secret


def test_console_logs_are_for_people(run: Run) -> None:
    """The log format is a setting: one line of JSON per event, or text."""
    ended = run("--log-format", "console", "--kernel", "turbo")

    assert 1 == ended.returncode
    assert not ended.stderr.startswith("{")
    assert "turbo" in ended.stderr


@pytest.mark.parametrize(("log_format", "lines"), [("console", 1), ("json", 0)])
def test_addresses_are_printed_unless_logs_are_json(
    server_program: Program, log_format: str, lines: int
) -> None:
    """On stdout, even if the log level hides the event; with JSON logs, only JSON is printed."""
    flags = server_flags("--log-format", log_format, "--log-level", "warning")
    with server_program.start(
        flags, server_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        if lines:
            announced = re.search(r"grpc (\S+), metrics (\S+), ", process.stdout.readline())
            assert announced
            assert scrape(announced[2]).value("hashfinder_workers") >= 1
        else:
            eventually(lambda: len(listening_ports(process.pid)) == 2, "it serves", 30)
        process.terminate()
        assert ("", "") == process.communicate(timeout=20)
        assert 0 == process.returncode


@pytest.mark.parametrize("name", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
@pytest.mark.parametrize("folder", ["/nonexistent", "existing"])
def test_variables_of_other_programs_have_no_effect(
    name: str, folder: str, tmp_path: Path, server_process: StartServer
) -> None:
    """The Prometheus client would keep its numbers in files there, and lose some."""
    where = tmp_path if folder == "existing" else Path(folder)
    server = server_process(env={name: str(where)})
    with server.stub() as stub:
        stub.Find(HashNameRequest(desired_name="doc"))
    server.wait_until_idle()

    samples = server.samples()
    assert 1 == samples.value("grpc_server_handled_total", grpc_code="OK", grpc_method="Find")
    assert samples.value("process_cpu_seconds_total") > 0
    assert [] == list(tmp_path.iterdir())
