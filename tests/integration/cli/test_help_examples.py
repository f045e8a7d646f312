"""The examples in the commands' help run as printed, except for names and addresses."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docs.command_reference import helps
from tests.integration.git_repository import git, isolate
from tests.integration.scripted import Run, Start
from tests.integration.server_process import RunServer, ServerProcess

HELPS = dict(helps())
TOUR = "hashfinder tour "
"""Takes ten seconds; run by `make test-security` and by the image's tests."""
EXAMPLES = sorted(
    line
    for line in set(re.findall(r"^    (hashfinder .*)$", "\n".join(HELPS.values()), re.MULTILINE))
    if not line.startswith(TOUR)
)
QUICKER = {
    "doctorwho": "doc",
    "doctors": "doc",
    "c0ffee": "c0",
    "cafe": "ca",
    " 0000": " 0",
    "--bits 26": "--bits 8",
    "--bits 28": "--bits 8",
    "--bits 20": "--bits 8",
    "--zero-bits 20": "--zero-bits 8",
    "--hex-zeros 6": "--hex-zeros 2",
}
"""Arguments that would take long, and their replacements here."""
EVENT = {"pubkey": "ab" * 32, "created_at": 1651794653, "kind": 1, "tags": [], "content": ""}
Prepare = Callable[[str], str]


@pytest.fixture(scope="module")
def server(
    run_server: RunServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server with an operators' address."""
    path = tmp_path_factory.mktemp("run") / "admin"
    with run_server("--workers", "1", "--admin-listen", f"unix:{path}") as server:
        yield server


@pytest.fixture
def admin(server: ServerProcess) -> str:
    """The operators' address."""
    return str(server.logs("serving")[0]["admin"])


@pytest.fixture
def printed(call: Run) -> Callable[[str], str]:
    """Run a command line that must succeed; return its output."""

    def printed(line: str) -> str:
        done = call(*shlex.split(line)[1:])
        assert 0 == done.returncode, done.stderr
        return done.stdout

    return printed


@pytest.fixture
def prepare(
    server: ServerProcess, admin: str, printed: Callable[[str], str], start: Start
) -> Prepare:
    """Return an example with the reader's names and files replaced by those of the test."""

    def prepare(example: str) -> str:
        if "git-vanity" in example:
            for folder in (Path(), Path("../other")):
                git(folder, "init", "--quiet", "--initial-branch", "feature")
                git(folder, "commit", "--quiet", "--allow-empty", "--message", "The first change")
        if "--check" in example:
            printed("hashfinder git-vanity 0 --apply")
        if "event.json" in example or "mined.json" in example:
            Path("event.json").write_text(json.dumps(EVENT), encoding="utf-8")
            mined = printed("hashfinder pow nostr event.json --bits 8")
            Path("mined.json").write_text(mined, encoding="utf-8")
        if "$stamp" in example:
            stamp = printed("hashfinder pow hashcash me@example.org --bits 8").strip()
            example = example.replace("$stamp", stamp)
        if "$answer" in example:
            answer = printed("hashfinder pow bits --bits 8 --prefix challenge:").strip()
            example = example.replace("$answer", answer)
        if " stop " in example or " searches " in example:
            start("find", "hopelesslyhopeless", "--server", server.address)
            server.wait_for_searches(1)
            [search_id] = re.findall(r"^\w+", printed(f"hashfinder searches --server {admin}"))
            example = example.replace("1f0a93bc", search_id).replace("192.0.2.7", "127.0.0.1")
        for here, there in {
            **QUICKER,
            "dns:///hashfinder.example:50051": f"dns:///{server.address}",
            "unix:/run/hashfinder/admin": admin,
            "127.0.0.1:50053": admin,
            "127.0.0.1:50051": server.address,
        }.items():
            example = example.replace(here, there)
        return re.sub(r" >\S+$| && git push$", "", example)

    return prepare


@pytest.mark.parametrize("name", HELPS)
def test_help_has_examples(name: str) -> None:
    """Each command's help has an example of that command."""
    assert re.search(rf"^    {name} ", HELPS[name], re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_succeeds(
    server: ServerProcess,
    prepare: Prepare,
    printed: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    example: str,
) -> None:
    """The example exits with 0."""
    isolate(monkeypatch)
    monkeypatch.setenv("HASHFINDER_SERVER", server.address)
    for folder in ("here", "other"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")

    printed(prepare(example))
