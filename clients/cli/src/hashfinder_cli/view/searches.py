"""The searches of a server, as an operator sees them: a table, lines of text, lines of JSON."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hashfinder_cli.view.text import plain, quantity
from hashfinder_proto.hash_name_admin_pb2 import ListedSearch, SearchState
from hashfinder_proto.hash_name_pb2 import Anchor, DigestEncoding, HashAlgorithm, HashNameRequest

if TYPE_CHECKING:
    from rich.table import Table  # takes time to import

_COLUMNS = ("ID", "CLIENT", "NAME", "SCHEME", "STATE", "AGE", "HASHES", "RATE", "SHARE", "BEST")
_RIGHT = {"AGE", "HASHES", "RATE", "SHARE", "BEST"}


def table(searches: Iterable[ListedSearch], now: float) -> "Table":
    """Return the table of some searches at the time `now`, in seconds since 1970."""
    from rich import box  # noqa: PLC0415 - see above
    from rich.table import Table  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415 - see above

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _COLUMNS:
        shown.add_column(
            column,
            justify="right" if column in _RIGHT else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for search in searches:
        shown.add_row(*map(Text, _cells(search, now)))
    return shown


def text_line(search: ListedSearch) -> str:
    """Return a line of fields separated by tabs.

    They are id, client, state, when it came, hashes, rate, share and name.
    """
    progress = search.progress
    fields = (
        search.search_id,
        plain(search.client),
        _state(search),
        search.begin_time.ToJsonString(),
        str(progress.hashes_computed),
        f"{progress.hashes_per_second:.0f}",
        f"{search.share:.3f}",
        plain(search.request.desired_name),
    )
    return "\t".join(fields) + "\n"


def json_line(search: ListedSearch) -> str:
    """Return a line of JSON; numbers of 64 bits come twice, as `view.json_lines` says."""
    request, progress = search.request, search.progress
    numbers = {
        "start_position": request.start_position,
        "maximum_hashes": request.maximum_hashes,
        "hashes_computed": progress.hashes_computed,
        "next_position": progress.next_position if progress.HasField("next_position") else None,
    }
    exact: dict[str, object] = {}
    for name, value in numbers.items():
        exact |= {name: value, f"{name}_text": None if value is None else str(value)}
    members = {
        "type": "search",
        "search_id": search.search_id,
        "client": search.client,
        "name": request.desired_name,
        "algorithm": _word(HashAlgorithm.Name(request.hash_algorithm), "HASH_ALGORITHM"),
        "encoding": _word(DigestEncoding.Name(request.digest_encoding), "DIGEST_ENCODING"),
        "anchor": _word(Anchor.Name(request.anchor), "ANCHOR"),
        "ideal_distance": request.ideal_hamming_distance,
        "state": _state(search),
        "began": search.begin_time.ToJsonString(),
        **exact,
        "hashes_per_second": progress.hashes_per_second,
        "best_distance": (
            progress.best_candidate.hamming_distance
            if progress.HasField("best_candidate")
            else None
        ),
        "share": search.share,
    }
    return json.dumps(members) + "\n"


def _cells(search: ListedSearch, now: float) -> tuple[str, ...]:
    progress = search.progress
    best = progress.best_candidate.hamming_distance if progress.HasField("best_candidate") else ""
    return (
        search.search_id,
        plain(search.client),
        plain(search.request.desired_name),
        _scheme(search.request),
        _state(search),
        f"{max(0.0, now - search.begin_time.ToMilliseconds() / 1000):.0f} s",
        quantity(progress.hashes_computed),
        f"{quantity(progress.hashes_per_second)}/s",
        f"{100 * search.share:.1f} %",
        str(best),
    )


def _scheme(request: HashNameRequest) -> str:
    """Return hash and text, and where the name stands if that matters."""
    words = [
        _word(HashAlgorithm.Name(request.hash_algorithm), "HASH_ALGORITHM"),
        _word(DigestEncoding.Name(request.digest_encoding), "DIGEST_ENCODING"),
        _word(Anchor.Name(request.anchor), "ANCHOR"),
    ]
    return " ".join(word for word in words if word != "anywhere")


def _state(search: ListedSearch) -> str:
    return _word(SearchState.Name(search.state), "SEARCH_STATE")


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(f"{prefix}_").lower().replace("_", "")
