"""`make web`: a server and a gateway of their own on free ports, and the page in a browser."""

import os
import re
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent
STOP_SECONDS = 20
QUIET = ("--log-format", "console", "--log-level", "warning")
SERVER = re.compile(r"grpc (?P<grpc>\S+), metrics (?P<metrics>\S+), ")
GATEWAY = re.compile(r"hashfinder-web: (?P<url>\S+)")


def main() -> int:
    """Serve until Ctrl-C; return 0 if both started and ended well."""
    with ExitStack() as running:
        flags = ("--port=0", "--metrics-port=0", "--client-identity=connection")
        server = running.enter_context(_run(SERVER, "hashfinder-server", *flags))
        if server is None:
            return 1
        target = (f"--server={server['grpc']}", f"--server-metrics={server['metrics']}")
        gateway = running.enter_context(
            _run(GATEWAY, "hashfinder-web", f"--port={os.environ.get('PORT', '0')}", *target)  # noqa: TID251
        )
        if gateway is None:
            return 1
        print(f"{gateway['url']}  (Ctrl-C ends it)", flush=True)
        if "DISPLAY" in os.environ or sys.platform == "darwin":  # noqa: TID251
            webbrowser.open(gateway["url"])
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: None)
        signal.pause()
    return 0


@contextmanager
def _run(
    announcement: re.Pattern[str], program: str, *flags: str
) -> Iterator[re.Match[str] | None]:
    """Run a program in the block; give what it announces, or None if it does not start."""
    with subprocess.Popen(
        [BIN / program, *flags, *QUIET],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C is for us: the gateway ends before its server
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            announced = announcement.search(process.stdout.readline())
            if announced is None:
                print(f"{program} did not start", file=sys.stderr)
            yield announced
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
