"""What keeps the process prompt: event loop, cores, priorities, interpreter settings."""
