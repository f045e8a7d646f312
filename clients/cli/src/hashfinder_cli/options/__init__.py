"""What can be said on the command line, in groups that commands share."""
