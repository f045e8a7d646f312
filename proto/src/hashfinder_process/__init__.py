"""What server and gateway do alike as processes: log, standard streams, and an end in time.

`logs` needs structlog, on which whoever imports it depends; the others need the standard library.
"""
