"""What server and gateway do alike as processes: settings, log, streams, connections, a prompt end.

`logs`, `json_lines` and `settings` need the extra `process` of the distribution: structlog and
pydantic-settings. The others need the standard library alone.
"""
