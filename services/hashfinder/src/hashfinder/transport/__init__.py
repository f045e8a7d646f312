"""The only room that knows gRPC: from wire to search and back."""
