"""The command line of HashFinder, on the library `hashfinder_client`."""
