"""``hashfinder-server``: from arguments and environment to an exit code.

Exit codes: 0 drained on a signal; 1 the server cannot start or stop; 2 invalid settings; 130 and
143 a second SIGINT or SIGTERM.
"""

import asyncio
import sys
from importlib.metadata import version

import structlog

from hashfinder.app import Application
from hashfinder.config import Settings, SettingsInvalidError, load_settings
from hashfinder.domain.errors import HashFinderError
from hashfinder.kernel import load_kernel
from hashfinder.observability.logs import LogFormat, configure_logging

_SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a thread keeps the interpreter while the event loop waits. The Python kernel would."""


def main() -> int:
    """Run the server; return its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"hashfinder-server {version('hashfinder')}")
        return 0
    try:
        settings = load_settings(arguments)
    except SettingsInvalidError as error:
        print(f"hashfinder-server: {error}", file=sys.stderr)
        return 2
    configure_logging(_log_format(settings), settings.log_level)
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    try:
        asyncio.run(_serve(settings))
    except HashFinderError as error:
        structlog.stdlib.get_logger(__name__).error("failed", reason=str(error))
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    kernel = load_kernel(settings.kernel)
    if kernel.backend == "python" and settings.kernel != "python":
        structlog.stdlib.get_logger(__name__).warning(
            "the native kernel is not built: searching is thousands of times slower"
        )
    application = Application(settings, kernel)
    application.lifecycle.watch_signals()
    await application.start()
    print(
        f"hashfinder-server: grpc {application.address}, "
        f"metrics http://{application.metrics_address}/metrics, "
        f"kernel {application.backend}, workers {application.workers}",
        flush=True,
    )
    await application.lifecycle.run()


def _log_format(settings: Settings) -> LogFormat:
    if settings.log_format == "auto":
        return LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    return LogFormat(settings.log_format)


if __name__ == "__main__":
    sys.exit(main())
