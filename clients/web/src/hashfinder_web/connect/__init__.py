"""The Connect protocol: every RPC of the contract over plain HTTP.

https://connectrpc.com/docs/protocol has the specification. Served are unary calls by POST and GET
and server streams, in JSON and in protobuf, without compression.
"""
