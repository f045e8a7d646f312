"""Proof of work: digests that begin, or end, with zero bits."""

from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme


def zero_bits(
    algorithm: Algorithm,
    bits: int,
    *,
    prefix: bytes = b"",
    suffix: bytes = b"",
    keyspace: Keyspace,
    trailing: bool = False,
) -> Query:
    """Return the search for a secret whose message hashes to `bits` zero bits.

    Args:
        algorithm: the hash.
        bits: how many, 1 to the digest's bits.
        prefix: what the message begins with.
        suffix: what it ends with.
        keyspace: the secrets between the two.
        trailing: whether the digest's last bits are meant, not the first.
    """
    anchor = Anchor.END if trailing else Anchor.START
    return Query(
        "0" * bits,
        scheme=Scheme(algorithm, Encoding.BINARY, anchor),
        keyspace=keyspace,
        secret_prefix=prefix,
        secret_suffix=suffix,
    )


def count_zero_bits(digest: bytes, *, trailing: bool = False) -> int:
    """Return how many zero bits a digest begins, or ends, with."""
    number = int.from_bytes(digest)
    if not trailing:
        return 8 * len(digest) - number.bit_length()
    return (number & -number).bit_length() - 1 if number else 8 * len(digest)
