"""``hashfinder-web``: from arguments and environment to an exit code.

Exit codes: 0 drained on a signal; 1 the gateway cannot start or does not stop in time, or fails a
--check; 2 invalid settings; 130 and 143 a second SIGINT or SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

from hashfinder_process.entry import run, take_signals

if TYPE_CHECKING:
    from hashfinder_process.log_writer import LogWriter
    from hashfinder_web.config import Settings

_PROGRAM = "hashfinder-web"
_STDOUT = 1
_END_SECONDS = 8.0
"""After its grace, how long a drain may take before the process ends whatever hangs."""


def main() -> NoReturn:
    """Run the gateway, and end the process with its exit code."""
    run(_PROGRAM, _run)


def _run(arguments: list[str]) -> int:
    from hashfinder_web.config import Settings  # noqa: PLC0415

    if arguments == ["--version"]:
        print(f"{_PROGRAM} {version('hashfinder-web')}")
        return 0
    settings = Settings.load(arguments)
    settings.check_files()
    if settings.check:
        from hashfinder_web.check import check  # noqa: PLC0415

        return check(settings)
    from hashfinder_process import logs  # noqa: PLC0415

    console = logs.is_for_console(settings.log_format)
    writer = logs.configure_logging(console=console, level=settings.log_level)
    logs.log_stray_errors()
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # peers can cause its warnings
    try:
        return _serve(settings, writer, announces=console)
    finally:
        writer.close()


def _serve(settings: Settings, writer: LogWriter, *, announces: bool) -> int:
    from hashfinder_process.settings import SettingsInvalidError  # noqa: PLC0415
    from hashfinder_web.listener import BindError  # noqa: PLC0415

    log = logging.getLogger(__name__)
    try:
        asyncio.run(_live(settings, writer, announces=announces))
    except (BindError, SettingsInvalidError) as error:
        log.error("failed", extra={"reason": str(error)})  # noqa: TRY400
        return 1
    except Exception:
        log.exception("failed")
        return 1
    return 0


async def _live(settings: Settings, writer: LogWriter, *, announces: bool) -> None:
    from hashfinder_process.sink import write_to  # noqa: PLC0415
    from hashfinder_process.watchdog import Watchdog  # noqa: PLC0415
    from hashfinder_web.app import Application  # noqa: PLC0415

    def give_up(seconds: float) -> None:
        reason = f"the drain did not end within {seconds:g} s"
        logging.getLogger(__name__).error("failed", extra={"reason": reason})
        writer.close()
        os._exit(1)

    def drain(_signum: int) -> None:
        watchdog.arm(settings.drain_grace + _END_SECONDS)
        loop.call_soon_threadsafe(asked.set)

    watchdog, loop, asked = Watchdog(give_up), asyncio.get_running_loop(), asyncio.Event()
    take_signals(drain, os._exit)  # before it listens: from then on, a signal is a drain
    application = Application(settings, lambda: writer.dropped)
    if announces:
        text = f"hashfinder-web: http://{application.address}/\n".encode()
        # On a thread, since stdout may have no reader. Nothing waits for it.
        threading.Thread(target=write_to, args=(_STDOUT, text), daemon=True).start()
    await application.run(asked)


if __name__ == "__main__":
    main()
