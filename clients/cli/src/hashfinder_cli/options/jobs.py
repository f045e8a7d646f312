"""The options that the commands for jobs share."""

from dataclasses import dataclass
from typing import Annotated

import typer

from hashfinder_cli.options.search import Shown


@dataclass(frozen=True, kw_only=True)
class JobShown:
    """What is shown of the search for a job."""

    progress: Annotated[
        bool, typer.Option("--progress", help="Show the progress of the search.")
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Write the outcome as JSON.")] = False

    @property
    def shown(self) -> Shown:
        """The same for the search."""
        return Shown(progress=self.progress, as_json=self.as_json)
