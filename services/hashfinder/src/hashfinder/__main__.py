"""``hashfinder-server``: from arguments and environment to an exit code.

Exit codes: 0 drained on a signal; 1 the server cannot start or stop; 2 invalid settings; 130 and
143 a second SIGINT or SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashfinder.config import Settings


def main() -> int:
    """Run the server; return its exit code."""
    # The imports take a second, in which PID 1 of a container would ignore a signal.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: os._exit(0))
    return _run(sys.argv[1:])


def _run(arguments: list[str]) -> int:
    from hashfinder.config import SettingsInvalidError, load_settings  # noqa: PLC0415
    from hashfinder.domain.errors import HashFinderError  # noqa: PLC0415
    from hashfinder.observability.logs import LogFormat, configure_logging  # noqa: PLC0415
    from hashfinder.runtime.event_loop import run  # noqa: PLC0415

    if arguments == ["--version"]:
        print(f"hashfinder-server {version('hashfinder')}")
        return 0
    try:
        settings = load_settings(arguments)
    except SettingsInvalidError as error:
        print(f"hashfinder-server: {error}", file=sys.stderr)
        return 2
    log_format = settings.log_format
    if log_format == "auto":
        log_format = "console" if sys.stderr.isatty() else "json"
    configure_logging(LogFormat(log_format), settings.log_level)
    try:
        run(_serve(settings))
    except HashFinderError as error:
        logging.getLogger(__name__).error("failed", extra={"reason": str(error)})  # noqa: TRY400
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    from hashfinder.app import Application  # noqa: PLC0415
    from hashfinder.kernel import load_kernel  # noqa: PLC0415
    from hashfinder.runtime.interpreter import tune_interpreter  # noqa: PLC0415

    kernel = load_kernel(settings.kernel)
    if kernel.backend == "python" and settings.kernel != "python":
        logging.getLogger(__name__).warning(
            "the native kernel is not built: searching is thousands of times slower"
        )
    application = Application(settings, kernel)
    application.lifecycle.watch_signals()
    await application.start()
    tune_interpreter()
    print(
        f"hashfinder-server: grpc {application.address}, "
        f"metrics http://{application.metrics_address}/metrics, "
        f"kernel {application.backend}, workers {application.workers}",
        flush=True,
    )
    await application.lifecycle.run()


if __name__ == "__main__":
    sys.exit(main())
