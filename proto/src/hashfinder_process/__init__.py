"""What server and gateway do alike as processes: settings, log, streams, and an end in time.

`logs` and `json_lines` need structlog, `settings` pydantic-settings. Who imports them depends on
these; the others need the standard library alone.
"""
