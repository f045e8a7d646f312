"""What keeps the process prompt: the event loop, the cores it may use."""
