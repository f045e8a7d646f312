"""The output of a search, for people and for programs."""
