"""The entry: signals and streams first, then everything that takes time to import."""

import os
import sys

from hashfinder_cli import signals


def main() -> None:
    """Run the command line and exit with its code (`exit_codes.ExitCode`)."""
    signals.exit_on_stop_signals()
    code = _run()
    sys.stderr.flush()
    # The end of the interpreter takes a while on a busy machine. It gives the signals back to the
    # system, which would end the process by a second Ctrl-C, or by the alarm of the first.
    os._exit(code)


def _run() -> int:
    from hashfinder_cli import streams  # noqa: PLC0415 - after the signals are in place

    streams.install()
    # gRPC's core would write its own log lines between ours; errors reach us as statuses anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    from hashfinder_cli.app import app  # noqa: PLC0415 - likewise

    code = 0
    try:
        try:
            app(prog_name="hashfinder")
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
    except streams.OutputError as error:
        if error.reason:
            sys.stderr.write(f"Cannot write to stdout: {error.reason}.\n")
        code = error.code
    return code


if __name__ == "__main__":
    main()
