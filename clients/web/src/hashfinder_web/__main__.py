"""``hashfinder-web``: from arguments and environment to an exit code.

Exit codes: 0 drained on a signal; 1 the gateway cannot start, or fails a --check; 2 invalid
settings; 130 and 143 a second SIGINT or SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashfinder_web.config import Settings

_SAME_SIGNAL_SECONDS = 0.2
"""A terminal signals the whole process group, and a wrapper forwards what it gets."""


def main() -> int:
    """Run the gateway; return its exit code."""
    # gRPC's core writes lines of its own to stderr, where logs are promised; peers can cause them.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # noqa: TID251  # no setting of ours
    # None is for Python what cannot be imported. Where the command line is installed too, structlog
    # would import rich: time to start, for tracebacks with the values of variables.
    sys.modules["rich"] = None  # type: ignore[assignment]
    # The imports take a second, in which PID 1 of a container would ignore a signal.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: os._exit(0))
    from hashfinder_web.config import (  # noqa: PLC0415
        SettingsInvalidError,
        discard_foreign_variables,
        load_settings,
    )

    if sys.argv[1:] == ["--version"]:
        print(f"hashfinder-web {version('hashfinder-web')}")
        return 0
    try:
        settings = load_settings(sys.argv[1:])
        settings.check_files()
    except SettingsInvalidError as error:
        _complain(str(error))
        return 2
    except SystemExit as leaving:  # --help, or an unknown flag
        return int(leaving.code or 0)
    if settings.check:
        from hashfinder_web.check import check  # noqa: PLC0415

        return check(settings)
    discard_foreign_variables()
    from hashfinder_web.logs import configure_logging  # noqa: PLC0415

    is_terminal = sys.stderr.isatty()
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not is_terminal)
    writer = configure_logging(as_json=as_json, level=settings.log_level)
    try:
        return _serve(settings, announces=not as_json)
    finally:
        writer.stop()


def _serve(settings: Settings, *, announces: bool) -> int:
    from hashfinder_web.listener import BindError  # noqa: PLC0415

    log = logging.getLogger(__name__)
    try:
        asyncio.run(_live(settings, announces=announces))
    except BindError as error:
        log.error("failed", extra={"reason": str(error)})  # noqa: TRY400
        return 1
    except Exception:
        log.exception("failed")
        return 1
    return 0


async def _live(settings: Settings, *, announces: bool) -> None:
    from hashfinder_web.app import Application  # noqa: PLC0415

    application = Application(settings)
    signalled_at: list[float] = []

    def handle(signum: int) -> None:
        now = time.monotonic()
        if not signalled_at:
            signalled_at.append(now)
            application.ask_to_stop()
        elif now - signalled_at[0] > _SAME_SIGNAL_SECONDS:
            os._exit(128 + signum)

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, partial(handle, signum))
    if announces:
        with suppress(OSError):
            print(f"hashfinder-web: http://{application.address}/", flush=True)
    await application.run()


def _complain(text: str) -> None:
    with suppress(OSError):
        print(f"hashfinder-web: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
