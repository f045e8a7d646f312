"""What the contract of HashFinder means: keyspace, score, reach and chance.

Server and clients share these rules. Standard library only.
"""
