"""The command line of HashFinder. It knows the server only through its contract."""
