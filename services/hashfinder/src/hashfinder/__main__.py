"""``hashfinder-server``: from arguments and environment to an exit code.

Exit codes: 0 drained on a signal; 1 the server cannot start or stop, or a worker died; 2 invalid
settings; 130 and 143 a second SIGINT or SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

from hashfinder_process.entry import run

if TYPE_CHECKING:
    from hashfinder.app import Application
    from hashfinder.config import Settings
    from hashfinder_process.log_writer import LogWriter

_PROGRAM = "hashfinder-server"
_STDIN, _STDOUT = 0, 1


def main() -> NoReturn:
    """Run the server, and end the process with its exit code."""
    run(_PROGRAM, _run)


def _run(arguments: list[str]) -> int:
    from hashfinder.config import Settings  # noqa: PLC0415

    if arguments == ["--version"]:
        print(f"{_PROGRAM} {version('hashfinder')}")
        return 0
    if arguments[:1] == ["new-token"]:
        return _new_token(arguments[1:])
    settings = Settings.load(arguments)
    from hashfinder_process import logs  # noqa: PLC0415

    console = logs.is_for_console(settings.log_format)
    writer = logs.configure_logging(console=console, level=settings.log_level)
    logs.log_stray_errors()
    try:
        return _serve(settings, writer, announces=console)
    finally:
        writer.close()


def _new_token(arguments: list[str]) -> int:
    from hashfinder.access.new_token import USAGE, create_token  # noqa: PLC0415

    if arguments in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    try:
        name, path = arguments
    except ValueError:
        print(USAGE, end="", file=sys.stderr)
        return 2
    print(create_token(name, path))
    return 0


def _serve(settings: Settings, writer: LogWriter, *, announces: bool) -> int:
    from hashfinder.access.file_error import AccessFileError  # noqa: PLC0415
    from hashfinder.domain.errors import HashFinderError  # noqa: PLC0415
    from hashfinder.runtime.event_loop import run  # noqa: PLC0415

    log = logging.getLogger(__name__)
    try:
        run(_live(settings, writer, announces=announces))
    except AccessFileError as error:  # the settings lead to it
        log.error("failed", extra={"reason": str(error)})  # noqa: TRY400
        return 2
    except HashFinderError as error:
        log.error("failed", extra={"reason": str(error)})  # noqa: TRY400
        return 1
    except Exception:
        log.exception("failed")
        return 1
    return 0


async def _live(settings: Settings, writer: LogWriter, *, announces: bool) -> None:
    from hashfinder.app import Application  # noqa: PLC0415
    from hashfinder.kernel import load_kernel  # noqa: PLC0415
    from hashfinder.runtime.core_files import forbid_core_files  # noqa: PLC0415
    from hashfinder.runtime.event_loop import is_prompt  # noqa: PLC0415
    from hashfinder.runtime.interpreter import tune_interpreter  # noqa: PLC0415
    from hashfinder.runtime.lifeline import watch_end  # noqa: PLC0415
    from hashfinder_process.watchdog import Watchdog  # noqa: PLC0415

    def leave(code: int) -> None:
        application.discard()
        writer.close()
        os._exit(code)

    def give_up(seconds: float) -> None:
        reason = f"the drain did not end within {seconds:g} s"
        logging.getLogger(__name__).error("failed", extra={"reason": reason})
        leave(1)

    if settings.tokens is not None or settings.tls_key is not None:
        forbid_core_files()
    kernel = load_kernel(settings.kernel)
    if kernel.backend == "python" and settings.kernel != "python":
        logging.getLogger(__name__).warning(
            "the native kernel is not built: searching is thousands of times slower"
        )
    watchdog = Watchdog(give_up)
    application = Application(settings, kernel, lambda: writer.dropped)
    application.lifecycle.take_signals(watchdog.arm, leave)
    try:
        if settings.exit_with_stdin:
            watch_end(_STDIN, application.lifecycle.stdin_ended)
        await application.start()
        if not is_prompt(asyncio.get_running_loop()):
            logging.getLogger(__name__).warning(
                "the event loop does not support this Python or gRPC: clients do not share it"
            )
        tune_interpreter()
        if announces:
            _announce(application)
        await application.lifecycle.run()
    finally:
        application.discard()


def _announce(application: Application) -> None:
    """Print the addresses for people. Nothing waits for stdout, which may have no reader."""
    from hashfinder_process.sink import write_to  # noqa: PLC0415

    metrics = f"metrics {application.metrics_url}, " if application.metrics_url else ""
    text = (
        f"hashfinder-server: grpc {application.address}, {metrics}"
        f"kernel {application.backend}, workers {application.workers}\n"
    )
    threading.Thread(target=write_to, args=(_STDOUT, text.encode()), daemon=True).start()


if __name__ == "__main__":
    main()
