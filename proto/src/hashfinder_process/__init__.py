"""What server and gateway do alike as processes: settings, log, streams, connections, a prompt end.

`logs` and `json_lines` need structlog, `settings` pydantic-settings. Who imports them depends on
these; the others need the standard library alone.
"""
