"""The gRPC contract of HashFinder, generated from ``hash_name.proto`` by ``make proto``.

``hash_name_pb2`` holds the messages; ``hash_name_pb2_grpc`` the client stub and the servicer, both
typed for `grpc` and `grpc.aio`.
"""
