"""Jobs as searches, and how to check their answers: commits, stamps, events."""
