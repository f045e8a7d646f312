"""The flags by the fields of the contract that they set."""

from collections.abc import Mapping

import typer

from hashfinder_rules.query import Query
from hashfinder_rules.violations import violations

FLAGS = {
    "desired_name": "NAME",
    "ideal_hamming_distance": "--ideal-distance",
    "interesting_hamming_distance": "--show-inferior",
    "start_position": "--start-position",
    "maximum_hashes": "--maximum-hashes",
    "progress_interval": "--progress-interval",
    "hash_algorithm": "--algorithm",
    "digest_encoding": "--encoding",
    "anchor": "--anchor",
    "case_sensitive": "--case-sensitive",
    "wildcard": "--wildcard",
    "secret_prefix": "--secret-prefix",
    "secret_suffix": "--secret-suffix",
    "secret_alphabet": "--alphabet",
    "secret_length": "--secret-length",
}
_VALUES = {
    "ANCHOR_START": "start",
    "ANCHOR_END": "end",
    "DIGEST_ENCODING_BINARY": "--encoding binary",
}
_CHECKED_HERE = {
    "anchor",
    "wildcard",
    "secret_prefix",
    "secret_suffix",
    "secret_alphabet",
    "secret_length",
}
"""What is refused before a server is asked, which judges the rest."""


def check(query: Query, flags: Mapping[str, str] = FLAGS) -> None:
    """Refuse `flags` whose values the contract forbids, whatever the server.

    Raises:
        typer.BadParameter: there is one.
    """
    for violation in violations(query):
        if violation.field in _CHECKED_HERE:
            sentence = in_flags(violation.description, flags)
            raise typer.BadParameter(sentence, param_hint=flags[violation.field])


def in_flags(description: str, flags: Mapping[str, str] = FLAGS) -> str:
    """Return a sentence of the contract with `flags` in place of its names."""
    fields = {field: flag for field, flag in flags.items() if "_" in field}
    for name, meant in (_VALUES | fields).items():
        description = description.replace(name, meant)
    return description
