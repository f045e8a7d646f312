"""The commands, after their options are parsed."""
