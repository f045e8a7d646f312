"""The clients of HashFinder: the command line, and `hashfinder_cli.finder` for Python programs.

They know the server only through its contract.
"""
