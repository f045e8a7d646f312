"""`hashfinder git-vanity`: real repositories, a real server, and Git as the judge."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
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
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(bare), str(clone))
    assert [before, before] == [shown(bare, "main"), shown(clone, "origin/main")]
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


def test_root_commit_gets_its_id(vanity: Run, folder: Path) -> None:
    """It has no parents to keep."""
    git(
        folder, "branch", "rooted", git(folder, "rev-list", "--max-parents=0", "HEAD").decode()[:-1]
    )
    before = shown(folder, "rooted")
    assert 0 == vanity("ab", "--apply", "--commit", "rooted").returncode
    assert head(folder, "rooted").startswith("ab")
    assert before == shown(folder, "rooted")
    git(folder, "fsck", "--strict")


def test_detached_head_gets_its_id(vanity: Run, folder: Path) -> None:
    """No branch moves, and the command that is printed moves HEAD back."""
    git(folder, "checkout", "--quiet", "--detach")
    old = head(folder)
    done = vanity("ab", "--apply")
    assert (0, old) == (done.returncode, head(folder, "main"))
    assert head(folder).startswith("ab")
    undo = next(line for line in done.stdout.splitlines() if line.startswith("undo"))
    git(folder, *undo.split()[2:])
    assert old == head(folder)


def test_long_message_says_what_it_costs(vanity: Run, folder: Path) -> None:
    """In a header every block behind it is hashed again; by default the message's end is taken."""
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={'a long line ' * 40}")
    done = vanity("ab", "--place", "header")
    assert 0 == done.returncode
    assert "Each candidate takes 8 blocks" in done.stderr
    done = vanity("ab", "--json")
    assert (0, "message") == (done.returncode, json.loads(done.stdout)["place"])


def test_what_keeps_the_old_id_is_named(vanity: Run, folder: Path) -> None:
    """Tags and notes do not move with the branch."""
    git(folder, "tag", "v1")
    git(folder, "notes", "add", "--message=seen")
    done = vanity("ab", "--apply")
    assert 0 == done.returncode
    assert "These keep the old id: v1." in done.stderr
    assert "git notes copy" in done.stderr


def replace_ref(folder: Path) -> None:
    """Let another commit stand in for the tip."""
    git(folder, "replace", "HEAD", "HEAD~1")


def graft(folder: Path) -> None:
    """Give the tip other parents."""
    (folder / ".git/info/grafts").write_text(head(folder) + "\n")


def shallow(folder: Path) -> None:
    """Cut the history at the tip."""
    (folder / ".git/shallow").write_text(head(folder) + "\n")


def unborn(folder: Path) -> None:
    """Put HEAD on a branch without a commit."""
    git(folder, "symbolic-ref", "HEAD", "refs/heads/new")


@pytest.mark.parametrize(
    ("trap", "sentence"),
    [
        (replace_ref, "a replace ref stands in for it"),
        (graft, "a graft gives it other parents"),
        (shallow, "shallow clone"),
        (unborn, "new has no commit yet"),
    ],
)
def test_trap_is_refused(
    vanity: Run, folder: Path, trap: Callable[[Path], None], sentence: str
) -> None:
    """With the reason, and nothing is changed."""
    trap(folder)
    refs = git(folder, "for-each-ref")
    done = vanity("ab", "--apply")
    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr
    assert "Nothing was changed" in done.stderr
    assert refs == git(folder, "for-each-ref")


def refusing_hook(folder: Path) -> None:
    """Let a hook refuse every change of a ref."""
    hook = folder / ".git/hooks/reference-transaction"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)


def other_process(folder: Path) -> None:
    """Leave the lock that another Git holds while it moves the branch."""
    (folder / ".git/refs/heads/main.lock").touch()


@pytest.mark.parametrize("obstacle", [refusing_hook, other_process])
def test_branch_that_cannot_be_moved_stays(
    vanity: Run, folder: Path, obstacle: Callable[[Path], None]
) -> None:
    """Git's own reason is the sentence; a dry run works nevertheless."""
    old = head(folder)
    obstacle(folder)
    assert 0 == vanity("ab").returncode
    done = vanity("ab", "--apply")
    assert (1, "", old) == (done.returncode, done.stdout, head(folder))
    assert "Nothing was changed" in done.stderr


def test_pattern_longer_than_every_id_is_refused(vanity: Run, folder: Path) -> None:
    """The ids of this repository have 40 or 64 digits."""
    digits = len(head(folder))
    done = vanity("a" * (digits + 1))
    assert (2, "") == (done.returncode, done.stdout)
    assert "1 to 64 digits" in done.stderr or f"has {digits} hex digits" in done.stderr
