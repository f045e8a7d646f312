"""`hashfinder git-vanity` with real repositories and a real server, checked by Git."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integration.git_repository import git, head, isolate
from tests.integration.scripted import Run
from tests.integration.server_process import ServerProcess

NO_SERVER = "127.0.0.1:9"
"""The discard port: anything that needs a server there fails."""


@pytest.fixture(scope="module", autouse=True)
def _no_configuration_of_the_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch)
        yield


@pytest.fixture(scope="module", params=["sha1", "sha256"])
def merged(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return a repository with a merge at the tip of ``main``, for copying."""
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
    """Return a copy of the repository for one test."""
    return shutil.copytree(merged, tmp_path / "repository")


@pytest.fixture
def vanity(call: Run, module_server: ServerProcess, folder: Path) -> Run:
    """Run the command on the repository."""
    where = ("--repo", str(folder), "--server", module_server.address)
    return lambda *arguments: call("git-vanity", *arguments, *where)


def shown(folder: Path, revision: str = "HEAD") -> bytes:
    """Return what Git shows of a commit, without white space at the end of the message."""
    form = "--format=%an %ae %at %cn %ce %ct %T %P %e %B"
    return git(folder, "log", "-1", form, revision).rstrip()


@pytest.mark.parametrize("place", ["header", "message", "auto"])
def test_applied_commit_is_valid_and_shows_the_same(
    vanity: Run, folder: Path, tmp_path: Path, place: str
) -> None:
    """Git accepts it in strict mode and on a push; it shows the same as before; undoing works."""
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
    """Without --apply, neither the branch nor the object store changes."""
    old, objects = head(folder), git(folder, "count-objects", "-v")
    done = vanity("a_b", "--anchor", "end")
    new = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("new"))
    assert 0 == done.returncode
    assert ("a", "b") == (new[-3], new[-1])
    assert "Dry run" in done.stdout
    assert (old, objects) == (head(folder), git(folder, "count-objects", "-v"))


def test_dirty_index_and_files_are_kept(vanity: Run, folder: Path) -> None:
    """Staged and unstaged changes are kept."""
    (folder / "staged").write_text("staged")
    git(folder, "add", "staged")
    (folder / "untracked").write_text("untracked")
    before = git(folder, "status", "--porcelain")
    assert 0 == vanity("ab", "--apply").returncode
    assert before == git(folder, "status", "--porcelain")


@pytest.mark.parametrize(
    "message", [b"caf\xe9 in Latin-1\r\nwith CRLF\r\n", b"no line feed at the end"]
)
def test_bytes_of_a_message_are_kept(vanity: Run, folder: Path, message: bytes) -> None:
    """A message is bytes, in any encoding."""
    content = git(folder, "cat-file", "commit", "HEAD").partition(b"\n\n")[0]
    raw = content + b"\nencoding ISO-8859-1\n\n" + message
    commit = git(folder, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw).decode().strip()
    git(folder, "update-ref", "refs/heads/main", commit)
    assert 0 == vanity("ab", "--apply", "--place", "header").returncode
    assert git(folder, "cat-file", "commit", "HEAD").endswith(b"\n\n" + message)


def test_check_needs_no_server(call: Run, folder: Path) -> None:
    """It exits 0 if the id matches, else 1, as a hook or CI needs it."""
    own = head(folder)
    other = "0" if own[0] != "0" else "1"
    where = ("--check", "--repo", str(folder), "--server", NO_SERVER)
    codes = [
        call("git-vanity", pattern, *where).returncode for pattern in (own[:5], own[0] + "_", other)
    ]
    assert [0, 0, 1] == codes


@pytest.mark.parametrize("name", ["gpgsig", "gpgsig-sha256"])
def test_signed_commit_is_refused(vanity: Run, folder: Path, name: str) -> None:
    """A new id would invalidate the signature."""
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
def test_wrong_usage_is_explained(
    vanity: Run, folder: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """The message says what is wrong, and nothing changes."""
    old = head(folder)
    done = vanity(*arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr
    assert old == head(folder)


def test_folder_without_repository_is_an_error(call: Run, tmp_path: Path) -> None:
    """The error is Git's own."""
    done = call("git-vanity", "ab", "--repo", str(tmp_path))
    assert (2, "") == (done.returncode, done.stdout)
    assert "not a git repository" in done.stderr


def test_search_that_finds_nothing_changes_nothing(vanity: Run, folder: Path) -> None:
    """It exits like any spent budget, and prints the command that resumes."""
    old = head(folder)
    done = vanity("0123456789abcdef01234567", "--apply", "--maximum-hashes", "1000")
    assert (3, "", old) == (done.returncode, done.stdout, head(folder))
    assert "hashfinder git-vanity 0123456789abcdef01234567 --apply" in done.stderr


def test_root_commit_gets_its_id(vanity: Run, folder: Path) -> None:
    """A commit without parents works."""
    git(
        folder, "branch", "rooted", git(folder, "rev-list", "--max-parents=0", "HEAD").decode()[:-1]
    )
    before = shown(folder, "rooted")
    assert 0 == vanity("ab", "--apply", "--commit", "rooted").returncode
    assert head(folder, "rooted").startswith("ab")
    assert before == shown(folder, "rooted")
    git(folder, "fsck", "--strict")


def test_detached_head_gets_its_id(vanity: Run, folder: Path) -> None:
    """No branch moves, and the printed command moves HEAD back."""
    git(folder, "checkout", "--quiet", "--detach")
    old = head(folder)
    done = vanity("ab", "--apply")
    assert (0, old) == (done.returncode, head(folder, "main"))
    assert head(folder).startswith("ab")
    undo = next(line for line in done.stdout.splitlines() if line.startswith("undo"))
    git(folder, *undo.split()[2:])
    assert old == head(folder)


def test_long_message_says_what_it_costs(vanity: Run, folder: Path) -> None:
    """Free bytes in a header cost every block behind them; by default they end the message."""
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={'a long line ' * 40}")
    done = vanity("ab", "--place", "header")
    assert 0 == done.returncode
    assert "Each candidate takes 8 blocks" in done.stderr
    done = vanity("ab", "--json")
    assert (0, "message") == (done.returncode, json.loads(done.stdout)["place"])


def test_refs_that_keep_the_old_id_are_listed(vanity: Run, folder: Path) -> None:
    """Tags and notes do not move with the branch."""
    git(folder, "tag", "v1")
    git(folder, "notes", "add", "--message=seen")
    done = vanity("ab", "--apply")
    assert 0 == done.returncode
    assert "These keep the old id: v1." in done.stderr
    assert "git notes copy" in done.stderr


def replace_ref(folder: Path) -> None:
    """Replace the tip by another commit."""
    git(folder, "replace", "HEAD", "HEAD~1")


def graft(folder: Path) -> None:
    """Give the tip other parents."""
    (folder / ".git/info/grafts").write_text(head(folder) + "\n")


def shallow(folder: Path) -> None:
    """Cut off the history at the tip."""
    (folder / ".git/shallow").write_text(head(folder) + "\n")


def unborn(folder: Path) -> None:
    """Point HEAD at a branch without a commit."""
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
def test_unsuitable_commit_is_refused(
    vanity: Run, folder: Path, trap: Callable[[Path], None], sentence: str
) -> None:
    """The reason is printed, and nothing changes."""
    trap(folder)
    refs = git(folder, "for-each-ref")
    done = vanity("ab", "--apply")
    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr
    assert "Nothing was changed" in done.stderr
    assert refs == git(folder, "for-each-ref")


def refusing_hook(folder: Path) -> None:
    """Install a hook that refuses every change of a ref."""
    hook = folder / ".git/hooks/reference-transaction"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)


def other_process(folder: Path) -> None:
    """Create the lock that another Git process holds while it moves the branch."""
    (folder / ".git/refs/heads/main.lock").touch()


@pytest.mark.parametrize("obstacle", [refusing_hook, other_process])
def test_branch_that_cannot_be_moved_is_kept(
    vanity: Run, folder: Path, obstacle: Callable[[Path], None]
) -> None:
    """The error is Git's own reason; a dry run still works."""
    old = head(folder)
    obstacle(folder)
    assert 0 == vanity("ab").returncode
    done = vanity("ab", "--apply")
    assert (1, "", old) == (done.returncode, done.stdout, head(folder))
    assert "Nothing was changed" in done.stderr


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository that Git may read but not write.

    Root could write it all the same, so Git then runs as another user, except in its own folder of
    new objects.
    """
    with TemporaryDirectory(prefix="vanity-") as made:
        parent = Path(made)
        folder = parent / "repository"
        git(parent, "init", "--quiet", "-b", "main", str(folder))
        git(folder, "commit", "--quiet", "--allow-empty", "--message=first")
        if os.geteuid() == 0:
            program, other = shutil.which("git"), "setpriv --reuid 65534 --regid 65534"
            (parent / "git").write_text(
                f'#!/bin/sh\nif [ "$GIT_OBJECT_DIRECTORY" ]; then exec {program} "$@"; fi\n'
                f'exec {other} --clear-groups {program} -c safe.directory=* "$@"\n'
            )
            (parent / "git").chmod(0o755)
            monkeypatch.setenv("PATH", f"{parent}:{os.environ['PATH']}")
        parent.chmod(0o755)
        paths = [folder, *folder.rglob("*")]
        modes = [each.stat().st_mode for each in paths]
        for each, mode in zip(paths, modes, strict=True):
            each.chmod((mode | 0o055 if each.is_dir() else mode | 0o044) & 0o555)
        yield folder
        for each, mode in zip(paths, modes, strict=True):
            each.chmod(mode)


def test_read_only_repository_is_kept(
    call: Run, module_server: ServerProcess, read_only: Path
) -> None:
    """A dry run works; with --apply the error is Git's own."""
    where = ("--repo", str(read_only), "--server", module_server.address)
    before = {str(each) for each in read_only.rglob("*")}, git(read_only, "for-each-ref")
    assert 0 == call("git-vanity", "ab", *where).returncode
    done = call("git-vanity", "ab", *where, "--apply")
    assert (1, "") == (done.returncode, done.stdout)
    assert "insufficient permission" in done.stderr
    assert "Nothing was changed" in done.stderr
    assert before == ({str(each) for each in read_only.rglob("*")}, git(read_only, "for-each-ref"))


def bare(folder: Path, parent: Path) -> Path:
    """Return a bare clone."""
    git(parent, "clone", "--quiet", "--bare", str(folder), "bare.git")
    return parent / "bare.git"


def worktree(folder: Path, parent: Path) -> Path:
    """Return a linked worktree on a branch of its own, with staged and unstaged changes."""
    git(folder, "worktree", "add", "--quiet", "-b", "linked", str(parent / "linked"))
    for name in ("staged", "unstaged"):
        (parent / "linked" / name).write_text(name)
    git(parent / "linked", "add", "staged")
    return parent / "linked"


@pytest.mark.parametrize("make", [bare, worktree])
def test_bare_repository_and_worktree_get_their_id(
    call: Run,
    module_server: ServerProcess,
    folder: Path,
    tmp_path: Path,
    make: Callable[[Path, Path], Path],
) -> None:
    """Other branches and the worktree's changes are kept."""
    where = make(folder, tmp_path)
    others, status = git(folder, "rev-parse", "side"), head(folder)
    before = git(where, "status", "--porcelain") if make is worktree else b""
    done = call(
        "git-vanity", "ab", "--apply", "--repo", str(where), "--server", module_server.address
    )
    assert 0 == done.returncode
    assert head(where).startswith("ab")
    assert (others, status) == (git(folder, "rev-parse", "side"), head(folder))
    assert before == (git(where, "status", "--porcelain") if make is worktree else b"")
    git(where, "fsck", "--strict")


@pytest.mark.parametrize("name", ["shallow", "info/grafts"])
def test_unreadable_file_of_git_is_an_error(vanity: Run, folder: Path, name: str) -> None:
    """Here it is a folder; without the file it is not known whether the commit may change."""
    old = head(folder)
    (folder / ".git" / name).mkdir(parents=True)
    done = vanity("ab", "--apply")
    assert (2, "") == (done.returncode, done.stdout)
    assert "Nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    (folder / ".git" / name).rmdir()
    assert old == head(folder)


def test_pattern_longer_than_every_id_is_refused(vanity: Run, folder: Path) -> None:
    """The ids of this repository have 40 or 64 digits."""
    digits = len(head(folder))
    done = vanity("a" * (digits + 1))
    assert (2, "") == (done.returncode, done.stdout)
    assert "1 to 64 digits" in done.stderr or f"has {digits} hex digits" in done.stderr
