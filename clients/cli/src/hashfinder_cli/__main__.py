"""The entry: signals first, then everything that takes time to import."""

import os

from hashfinder_cli import signals


def main() -> None:
    """Run the command line and exit with its code (`exit_codes.ExitCode`)."""
    signals.exit_on_stop_signals()
    # gRPC's core would write its own log lines between ours; errors reach us as statuses anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    from hashfinder_cli.arguments import app  # noqa: PLC0415 - after the signals are in place

    app(prog_name="hashfinder")


if __name__ == "__main__":
    main()
