"""The recipes of the guide run as written, and print the output that it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.git_repository import isolate
from tests.integration.replicas import StartReplicas
from tests.integration.server_process import ServerProcess

GUIDE = (Path(__file__).parents[2] / "docs/recipes.md").read_text(encoding="utf-8")
_, *_PARTS = re.split(r"^## (.*)\n", GUIDE, flags=re.MULTILINE)
BLOCKS = re.compile(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = {
    title: BLOCKS.findall(text) for title, text in zip(_PARTS[::2], _PARTS[1::2], strict=True)
}
"""By title: the commands, and their output."""
NAME = "dns:///hashfinder.example:50051"
"""The options for servers that only the guide has."""
CLUSTER = "A search over a cluster"


def run(commands: str, folder: Path, server: str) -> str:
    """Run a block as a shell does that stops at the first error; return its output."""
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    shell = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(
        shell,
        cwd=folder,
        env=os.environ | {"PATH": path, "HASHFINDER_SERVER": server},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_guide_has_a_block_for_each_recipe() -> None:
    """There is one block per recipe, and there are no others."""
    assert 8 == len(RECIPES)
    assert {1} == {len(blocks) for blocks in RECIPES.values()}
    assert len(RECIPES) == GUIDE.count("```sh")


@pytest.mark.parametrize("title", [title for title in RECIPES if title != CLUSTER])
def test_recipe_works(
    module_server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    """A recipe prints the output shown below it."""
    isolate(monkeypatch)
    ((commands, printed),) = RECIPES[title]
    assert printed == run(commands, tmp_path, module_server.address)


def test_recipe_for_a_cluster_works(replicas: StartReplicas, tmp_path: Path) -> None:
    """The guide's name is replaced by one that leads to three servers."""
    ((commands, printed),) = RECIPES[CLUSTER]
    assert NAME in commands
    target = replicas().target
    assert printed == run(commands.replace(NAME, target), tmp_path, target)
