"""Searches made from options, as on the command line."""

from dataclasses import fields
from typing import Any

from hashfinder_cli.options.pattern import Pattern
from hashfinder_cli.options.search import Limits, Ranges, SearchConnection, Shown, Wanted
from hashfinder_cli.options.secrets import Secrets
from hashfinder_cli.search import Search


def search(name: str | None = "doctor", **options: Any) -> Search:  # noqa: ANN401 - of any type
    """Return the search for `name`; `options` are fields of its parts, by name."""

    def of(group: Any) -> dict[str, Any]:  # noqa: ANN401 - likewise
        return {f.name: options.pop(f.name) for f in fields(group) if f.name in options}

    asked = Search(
        Pattern(name=name, **of(Pattern)),
        SearchConnection(**of(SearchConnection)),
        Limits(**of(Limits)),
        Ranges(**of(Ranges)),
        Shown(**of(Shown)),
        Secrets(**of(Secrets)),
        Wanted(**of(Wanted)),
    )
    assert not options
    return asked
