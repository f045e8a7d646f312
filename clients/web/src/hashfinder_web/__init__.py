"""The gateway of HashFinder for browsers and curl: HTTP in front, gRPC behind.

It is a client of the server, and a hop: whatever ends a request in front, the RPC behind it ends,
and a deadline, a trace and the name of a request go through it.
"""
