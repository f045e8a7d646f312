"""HashFinder: a gRPC service that searches byte strings whose hash resembles a name."""
