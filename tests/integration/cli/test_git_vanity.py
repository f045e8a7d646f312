"""`hashfinder git-vanity`: real repositories, a real server, and Git as the judge."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.git_repository import git, head, isolate
from tests.integration.scripted import Run
from tests.integration.server_process import ServerProcess

NO_SERVER = "127.0.0.1:9"
"""The discard port: what needs a server there fails."""


@pytest.fixture(scope="module", autouse=True)
def _no_configuration_of_the_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch)
        yield


@pytest.fixture(scope="module", params=["sha1", "sha256"])
def merged(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return a repository with a merge at the tip of ``main``, to be copied."""
    folder = tmp_path_factory.mktemp("merged")
    form = f"--object-format={request.param}"
    git(folder, "init", "--quiet", form, "-b", "main", str(folder))
    git(folder, "commit", "--quiet", "--allow-empty", "--message=root")
    git(folder, "checkout", "--quiet", "-b", "side")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=side")
    git(folder, "checkout", "--quiet", "main")
    git(folder, "merge", "--quiet", "--no-ff", "--message=Merge side", "side")
    return folder


@pytest.fixture
def folder(tmp_path: Path, merged: Path) -> Path:
    """Return the repository of one test."""
    return shutil.copytree(merged, tmp_path / "repository")


@pytest.fixture
def vanity(call: Run, module_server: ServerProcess, folder: Path) -> Run:
    """Run the command on the repository."""
    where = ("--repo", str(folder), "--server", module_server.address)
    return lambda *arguments: call("git-vanity", *arguments, *where)


def shown(folder: Path, revision: str = "HEAD") -> bytes:
    """Return what Git shows of a commit, but for white space behind the message."""
    form = "--format=%an %ae %at %cn %ce %ct %T %P %e %B"
    return git(folder, "log", "-1", form, revision).rstrip()


@pytest.mark.parametrize("place", ["header", "message", "auto"])
def test_applied_commit_is_sound_and_says_the_same(
    vanity: Run, folder: Path, tmp_path: Path, place: str
) -> None:
    """Git accepts it strictly, also on a push; what it shows is as before; undoing works."""
    before, old = shown(folder), head(folder)

    done = vanity("c_fe", "--place", place, "--apply", "--json")

    assert (0, "") == (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    new = head(folder)
    assert ("refs/heads/main", old, new, True) == (
        report["ref"],
        report["old"],
        report["new"],
        report["applied"],
    )
    assert (new[0], new[2:4]) == ("c", "fe")
    content = git(folder, "cat-file", "commit", new)
    algorithm = "sha1" if len(new) == 40 else "sha256"
    assert new == hashlib.new(algorithm, b"commit %d\0" % len(content) + content).hexdigest()
    assert before == shown(folder)
    assert b"" == git(folder, "status", "--porcelain")
    git(folder, "fsck", "--strict")
    bare = tmp_path / "bare"
    form = git(folder, "rev-parse", "--show-object-format").decode().strip()
    git(tmp_path, "init", "--quiet", "--bare", f"--object-format={form}", str(bare))
    git(bare, "config", "receive.fsckObjects", "true")
    git(folder, "push", "--quiet", str(bare), "main")
    assert before == shown(bare, "main")
    git(folder, *report["undo"].split()[1:])
    assert old == head(folder)


def test_dry_run_changes_nothing(vanity: Run, folder: Path) -> None:
    """It is the default: neither the branch nor the object store changes."""
    old, objects = head(folder), git(folder, "count-objects", "-v")
    done = vanity("a_b", "--anchor", "end")
    new = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("new"))
    assert 0 == done.returncode
    assert ("a", "b") == (new[-3], new[-1])
    assert "Dry run" in done.stdout
    assert (old, objects) == (head(folder), git(folder, "count-objects", "-v"))


def test_dirty_index_and_files_stay(vanity: Run, folder: Path) -> None:
    """A commit can get its id with work in progress beside it."""
    (folder / "staged").write_text("staged")
    git(folder, "add", "staged")
    (folder / "untracked").write_text("untracked")
    before = git(folder, "status", "--porcelain")
    assert 0 == vanity("ab", "--apply").returncode
    assert before == git(folder, "status", "--porcelain")


@pytest.mark.parametrize(
    "message", [b"caf\xe9 in Latin-1\r\nwith CRLF\r\n", b"no line feed at the end"]
)
def test_bytes_of_a_message_stay(vanity: Run, folder: Path, message: bytes) -> None:
    """A message is bytes in an encoding of its own."""
    content = git(folder, "cat-file", "commit", "HEAD").partition(b"\n\n")[0]
    raw = content + b"\nencoding ISO-8859-1\n\n" + message
    commit = git(folder, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw).decode().strip()
    git(folder, "update-ref", "refs/heads/main", commit)
    assert 0 == vanity("ab", "--apply", "--place", "header").returncode
    assert git(folder, "cat-file", "commit", "HEAD").endswith(b"\n\n" + message)


def test_check_needs_no_server(call: Run, folder: Path) -> None:
    """As in a hook or in CI: 0 if the id has the pattern, else 1."""
    own = head(folder)
    other = "0" if own[0] != "0" else "1"
    where = ("--check", "--repo", str(folder), "--server", NO_SERVER)
    codes = [
        call("git-vanity", pattern, *where).returncode for pattern in (own[:5], own[0] + "_", other)
    ]
    assert [0, 0, 1] == codes


@pytest.mark.parametrize("name", ["gpgsig", "gpgsig-sha256"])
def test_signed_commit_is_refused(vanity: Run, folder: Path, name: str) -> None:
    """Its signature would no longer be one."""
    raw = git(folder, "cat-file", "commit", "HEAD").replace(
        b"\n\n",
        f"\n{name} -----BEGIN SSH SIGNATURE-----\n x\n -----END SSH SIGNATURE-----\n\n".encode(),
        1,
    )
    commit = git(folder, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw).decode().strip()
    git(folder, "update-ref", "refs/heads/main", commit)
    done = vanity("ab", "--apply")
    assert 2 == done.returncode
    assert "it is signed" in done.stderr
    assert commit == head(folder)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("xyz",), "must be hex digits"),
        (("___",), "at least one digit"),
        (("a" * 65,), "1 to 64 digits"),
        (("ab", "--commit", "HEAD~1"), "not the tip of a branch"),
        (("ab", "--commit", "nothing"), "Nothing was changed"),
        (("ab", "--place", "footer"), "--place"),
    ],
)
def test_wrong_usage_is_a_sentence(
    vanity: Run, folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """And changes nothing."""
    old = head(folder)
    done = vanity(*arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr
    assert old == head(folder)


def test_folder_without_repository_is_a_sentence(call: Run, tmp_path: Path) -> None:
    """Git says so."""
    done = call("git-vanity", "ab", "--repo", str(tmp_path))
    assert (2, "") == (done.returncode, done.stdout)
    assert "not a git repository" in done.stderr


def test_search_that_finds_nothing_changes_nothing(vanity: Run, folder: Path) -> None:
    """The budget's end has its exit code, and says how to resume the same command."""
    old = head(folder)
    done = vanity("0123456789abcdef01234567", "--apply", "--maximum-hashes", "1000")
    assert (3, "", old) == (done.returncode, done.stdout, head(folder))
    assert "hashfinder git-vanity 0123456789abcdef01234567 --apply" in done.stderr
