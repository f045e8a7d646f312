"""The entry: signals and streams first, then everything that takes time to import."""

import os
import sys

from hashfinder_cli import signals, streams


def main() -> None:
    """Run the command line and exit with its code (`exit_codes.ExitCode`)."""
    signals.exit_on_stop_signals()
    streams.install()
    # gRPC's core would write its own log lines between ours; errors reach us as statuses anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    from hashfinder_cli.app import app  # noqa: PLC0415 - after the signals are in place

    try:
        app(prog_name="hashfinder")
    except streams.OutputError as error:
        if error.reason:
            sys.stderr.write(f"Cannot write to stdout: {error.reason}.\n")
        sys.exit(error.code)


if __name__ == "__main__":
    main()
