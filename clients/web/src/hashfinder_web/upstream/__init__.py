"""The server behind the gateway: channels, RPCs, health and metrics."""
