"""The only package, beside observability, that knows gRPC: from requests to searches and back."""
