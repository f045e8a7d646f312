"""The parameters of a search in a URL, named as the flags of the command line.

A field of the contract goes by its own name as well. Bytes are those that the percent signs of the
URL stand for.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from hashfinder_client.settings import DEFAULT_PROGRESS_INTERVAL, PROGRESS_INTERVALS
from hashfinder_proto import hash_name_pb2 as proto
from hashfinder_proto.hash_name_pb2 import HashNameRequest

_MOST_PARAMETERS = 32
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s?", re.ASCII)
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_WHOLE = re.compile(r"\d{1,20}", re.ASCII)
_Violations = list[tuple[str, str]]


class ParametersInvalidError(Exception):
    """The URL is no search. The client acts."""

    def __init__(self, violations: _Violations) -> None:
        """Take the parameters that are wrong, each with what it must be."""
        super().__init__(violations)
        self.violations = violations


@dataclass(frozen=True, slots=True)
class Parameters:
    """A search, as a URL asks for it."""

    name: str
    message: HashNameRequest
    seconds: float
    """Its deadline."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The parameters as they were given, percent signs decoded as bytes, by the flags' names."""

    def resumed(self, position: int) -> str:
        """Return the path and query that continue the search at `position`.

        With what is left of its budget; where that is nothing, with as much again.
        """
        left = dict(self.given)
        left["start-position"] = str(position)
        rest = self.message.start_position + self.message.maximum_hashes - position
        if "maximum-hashes" in left and rest > 0:
            left["maximum-hashes"] = str(rest)
        query = "&".join(f"{key}={quote(value, encoding='latin-1')}" for key, value in left.items())
        return f"/find/{quote(self.name, safe='')}?{query}"


def parse(path: bytes, query: bytes, maximum_seconds: float) -> Parameters:
    """Return the search of ``/find/`` and what follows it in a URL.

    Raises:
        ParametersInvalidError: with all that is wrong.
    """
    violations: _Violations = []
    message = HashNameRequest()
    message.progress_interval.FromNanoseconds(int(DEFAULT_PROGRESS_INTERVAL * 1e9))
    seconds = maximum_seconds
    try:
        name = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        name = ""
        violations.append(("name", "must be UTF-8"))
    message.desired_name = name
    for part, raw in (("name", path), ("query", query)):
        if _BROKEN.search(raw):
            reason = "must have two hexadecimal digits after each %; a percent sign itself is %25"
            violations.append((part, reason))
    given = dict(_pairs(query, violations))
    for key, value in given.items():
        try:
            if key == "timeout":
                seconds = _seconds(value, 0.001, maximum_seconds)
            else:
                parameter = _PARAMETERS[key]
                parameter.put(message, parameter.field, value)
        except ValueError as error:
            violations.append((key, str(error)))
    if violations:
        raise ParametersInvalidError(violations)
    return Parameters(name, message, seconds, given)


def _pairs(query: bytes, violations: _Violations) -> Iterator[tuple[str, str]]:
    """Yield the parameters, by the flags' names, each once."""
    try:
        # A byte is a character: bytes of the search are kept as they are.
        pairs = parse_qsl(
            query.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        violations.append(("query", f"must have at most {_MOST_PARAMETERS} parameters"))
        return
    seen = set()
    for given, value in pairs:
        key = _BY_FIELD.get(given, given)
        if not key:
            violations.append(("query", "has a parameter without a name"))
        elif key != "timeout" and key not in _PARAMETERS:
            known = ", ".join([*_PARAMETERS, "timeout"])
            violations.append((key[:64], f"is no parameter; there are {known}"))
        elif key in seen:
            violations.append((key, "must be given once"))
        else:
            yield key, value
        seen.add(key)


def _whole(most: int) -> "_Put":
    def put(message: HashNameRequest, name: str, value: str) -> None:
        if not _WHOLE.fullmatch(value) or int(value) > most:
            text = f"must be a whole number from 0 to {most}, not {value[:64]!r}"
            raise ValueError(text)
        setattr(message, name, int(value))

    return put


def _one_of(names: Mapping[str, int]) -> "_Put":
    def put(message: HashNameRequest, name: str, value: str) -> None:
        if value not in names:
            text = f"must be {' or '.join(names)}, not {value[:64]!r}"
            raise ValueError(text)
        setattr(message, name, names[value])

    return put


def _text(message: HashNameRequest, name: str, value: str) -> None:
    try:
        setattr(message, name, value.encode("latin-1").decode())
    except UnicodeDecodeError:
        text = "must be UTF-8"
        raise ValueError(text) from None


def _bytes(message: HashNameRequest, name: str, value: str) -> None:
    setattr(message, name, value.encode("latin-1"))


def _interval(message: HashNameRequest, name: str, value: str) -> None:
    getattr(message, name).FromNanoseconds(int(_seconds(value, *PROGRESS_INTERVALS) * 1e9))


def _seconds(value: str, least: float, most: float) -> float:
    found = _SECONDS.fullmatch(value)
    if found is None or not least <= float(found[1]) <= most:
        text = f"must be a number of seconds from {least:g} to {most:g}, not {value[:64]!r}"
        raise ValueError(text)
    return float(found[1])


_Put = Callable[[HashNameRequest, str, str], Any]


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter: the field of the contract that it sets, and how."""

    field: str
    put: _Put


_PARAMETERS = {
    "ideal-distance": _Parameter("ideal_hamming_distance", _whole(2**31 - 1)),
    "show-inferior": _Parameter("interesting_hamming_distance", _whole(2**31 - 1)),
    "start-position": _Parameter("start_position", _whole(2**64 - 1)),
    "maximum-hashes": _Parameter("maximum_hashes", _whole(2**64 - 1)),
    "progress-interval": _Parameter("progress_interval", _interval),
    "algorithm": _Parameter(
        "hash_algorithm",
        _one_of(
            {
                "sha1": proto.HASH_ALGORITHM_SHA_1,
                "sha256": proto.HASH_ALGORITHM_SHA_256,
                "sha512": proto.HASH_ALGORITHM_SHA_512,
            }
        ),
    ),
    "encoding": _Parameter(
        "digest_encoding",
        _one_of(
            {
                "base64": proto.DIGEST_ENCODING_BASE64,
                "base64url": proto.DIGEST_ENCODING_BASE64URL,
                "hex": proto.DIGEST_ENCODING_HEX,
                "base32": proto.DIGEST_ENCODING_BASE32,
                "binary": proto.DIGEST_ENCODING_BINARY,
            }
        ),
    ),
    "anchor": _Parameter(
        "anchor",
        _one_of(
            {
                "anywhere": proto.ANCHOR_ANYWHERE,
                "start": proto.ANCHOR_START,
                "end": proto.ANCHOR_END,
            }
        ),
    ),
    "case-sensitive": _Parameter("case_sensitive", _one_of({"true": True, "false": False})),
    "wildcard": _Parameter("wildcard", _text),
    "secret-prefix": _Parameter("secret_prefix", _bytes),
    "secret-suffix": _Parameter("secret_suffix", _bytes),
    "alphabet": _Parameter("secret_alphabet", _bytes),
    "secret-length": _Parameter("secret_length", _whole(2**32 - 1)),
}
_BY_FIELD = {each.field: name for name, each in _PARAMETERS.items()}
FLAGS = {**_BY_FIELD, "desired_name": "name"}
"""The parameters by the fields of the contract that they set."""
