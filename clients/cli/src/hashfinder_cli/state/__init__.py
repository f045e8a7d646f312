"""The file of `--state`: how far a search has come, kept so that no end of a process loses it."""
