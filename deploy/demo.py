"""`make demo`: a server of its own, a tour of it, and the counters that this moved."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

BIN = Path(sys.executable).parent
STOP_SECONDS = 20
ANNOUNCEMENT = re.compile(r"grpc (?P<grpc>\S+), metrics (?P<metrics>\S+), kernel (?P<kernel>\S+),")
COUNTERS = re.compile(
    r"hashfinder_(cancellations|hashes)_total|hashfinder_cancel_latency_seconds_(count|sum)"
    r"|grpc_server_handled_total"
)


def main() -> int:
    """Run the demo; return 0 if all went as it should."""
    quiet = ["--log-format", "console", "--log-level", "warning"]
    command = ["--port", "0", "--metrics-port", "0", *quiet]
    print(f"$ hashfinder-server {' '.join(command)}")
    with subprocess.Popen(
        [BIN / "hashfinder-server", *command], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            code = _show(server)
        finally:
            server.send_signal(signal.SIGTERM)
            drained = server.wait(STOP_SECONDS)
    print(f"\n# The server drains on SIGTERM\n  [exit {drained}]")
    return code or drained


def _show(server: subprocess.Popen[str]) -> int:
    assert server.stdout is not None  # noqa: S101  # it is a pipe
    line = server.stdout.readline()
    announced = ANNOUNCEMENT.search(line)
    if announced is None:
        print("the server did not start", file=sys.stderr)
        return 1
    print(f"  {line}", end="", flush=True)
    tour = subprocess.run([BIN / "hashfinder", "tour", "--server", announced["grpc"]], check=False)
    print(f"\n# What this moved\n$ curl {announced['metrics']}")
    with urlopen(announced["metrics"], timeout=5) as response:  # noqa: S310  # our own server
        for sample in response.read().decode().splitlines():
            if COUNTERS.match(sample) and not sample.endswith(" 0.0"):
                print(f"  {sample}")
    return tour.returncode


if __name__ == "__main__":
    sys.exit(main())
