"""What git-vanity does with Git, on real repositories."""

import os
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from hashfinder_cli.jobs.commit import Commit, Place, Template
from hashfinder_cli.jobs.git import GitError, Repository, Tip


@pytest.fixture(autouse=True)
def _no_configuration_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.org")


def run(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run Git; return its output."""
    command = ["git", "-C", str(folder), *arguments]
    return (
        subprocess.run(command, input=stdin, check=True, capture_output=True)
        .stdout.decode()
        .strip()
    )


@pytest.fixture(params=["sha1", "sha256"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a repository with two commits on ``main``."""
    folder = tmp_path / "repository"
    run(
        tmp_path,
        "init",
        "--quiet",
        f"--object-format={request.param}",
        "--initial-branch=main",
        str(folder),
    )
    for text in ("one", "two"):
        (folder / "file").write_text(text)
        run(folder, "add", "file")
        run(folder, "commit", "--quiet", f"--message={text}")
    return folder


def some_content(repository: Repository, tip: Tip, place: Place = Place.HEADER) -> bytes:
    """Return the tip's content with free bytes in it."""
    template = template_of(repository, tip, place)
    return template.content(template.alphabet[-1:] * template.length)


def template_of(repository: Repository, tip: Tip, place: Place) -> Template:
    """Return the tip's template."""
    return Commit.parse(repository.read(tip.commit)).template(place)


@pytest.mark.parametrize("place", Place)
def test_branch_moves_to_an_object_that_git_accepts(folder: Path, place: Place) -> None:
    """Author, dates, tree, parents, message, index and files are unchanged."""
    shown = ("log", "-1", "--format=%an %ae %at %cn %ce %ct %T %P %B", "HEAD")
    before = run(folder, *shown)
    repository = Repository.open(folder)
    tip = repository.tip()
    content = some_content(repository, tip, place)
    verified = repository.verify(content)
    assert tip.commit == run(folder, "rev-parse", "HEAD"), "verifying must not change anything"
    assert verified == repository.apply(tip, content, "test")
    assert verified == run(folder, "rev-parse", "main")
    assert before == run(folder, *shown)
    assert not run(folder, "status", "--porcelain")
    run(folder, "fsck", "--strict")


def test_undo_moves_the_branch_back(folder: Path) -> None:
    """It is the command that the tip prints."""
    repository = Repository.open(folder)
    tip = repository.tip()
    undo = tip.undo(repository.apply(tip, some_content(repository, tip), "test"))
    run(folder, *undo.split()[1:])
    assert tip.commit == run(folder, "rev-parse", "main")


def test_branch_that_moved_meanwhile_is_kept(folder: Path) -> None:
    """No commit of another process is lost."""
    repository = Repository.open(folder)
    tip = repository.tip()
    run(folder, "commit", "--quiet", "--allow-empty", "--message=three")
    moved = run(folder, "rev-parse", "main")
    with pytest.raises(GitError, match=r"refs/heads/main.*expected"):
        repository.apply(tip, some_content(repository, tip), "test")
    assert moved == run(folder, "rev-parse", "main")


def test_detached_head_moves_alone(folder: Path) -> None:
    """Its former branch does not move, and undoing moves HEAD back."""
    run(folder, "checkout", "--quiet", "--detach")
    repository = Repository.open(folder)
    tip = repository.tip()
    assert tip.is_detached
    new = repository.apply(tip, some_content(repository, tip), "test")
    assert (new, tip.commit) == (run(folder, "rev-parse", "HEAD"), run(folder, "rev-parse", "main"))
    run(folder, *tip.undo(new).split()[1:])
    assert tip.commit == run(folder, "rev-parse", "HEAD")


def test_tip_is_found_by_branch_and_by_commit(folder: Path) -> None:
    """Either way the branch to move is known."""
    run(folder, "branch", "other", "HEAD~1")
    repository = Repository.open(folder)
    other = Tip("refs/heads/other", run(folder, "rev-parse", "other"))
    assert [other, other] == [repository.tip("other"), repository.tip(other.commit)]


def test_commit_that_is_not_a_tip_is_refused(folder: Path) -> None:
    """Its descendants would have to change as well."""
    with pytest.raises(GitError, match="not the tip of a branch"):
        Repository.open(folder).tip("HEAD~1")


def test_tip_of_two_branches_is_refused_by_commit(folder: Path) -> None:
    """The user must choose the branch to move."""
    run(folder, "branch", "other")
    with pytest.raises(GitError, match=r"several branches \(main, other\)"):
        Repository.open(folder).tip(run(folder, "rev-parse", "main"))


@pytest.mark.parametrize("revision", ["nothing", "--all", "", "-x"])
def test_unknown_revision_is_refused(folder: Path, revision: str) -> None:
    """The error is Git's; an option is not a revision."""
    with pytest.raises(GitError):
        Repository.open(folder).tip(revision)


def test_unborn_branch_is_refused(tmp_path: Path) -> None:
    """There is nothing to rewrite."""
    run(tmp_path, "init", "--quiet", "--initial-branch=main")
    with pytest.raises(GitError, match="main has no commit yet"):
        Repository.open(tmp_path).tip()


def test_folder_without_repository_is_refused(tmp_path: Path) -> None:
    """Git names the folder."""
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(GitError, match=r"not a git repository|cannot change to"):
            Repository.open(folder)


def test_missing_git_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a traceback."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git is not installed"):
        Repository.open(tmp_path)


def test_replace_ref_is_an_objection(folder: Path) -> None:
    """Git would show the replacement, and rewrite a commit that is hidden."""
    run(folder, "replace", "HEAD", "HEAD~1")
    repository = Repository.open(folder)
    tip = repository.tip()
    assert "replace ref" in " ".join(repository.objections(tip))
    assert b"two" in repository.read(tip.commit)


def test_edge_of_a_shallow_clone_is_an_objection(folder: Path, tmp_path: Path) -> None:
    """Its parents are missing and cannot be checked."""
    clone = tmp_path / "clone"
    run(tmp_path, "clone", "--quiet", "--depth=1", folder.as_uri(), str(clone))
    repository = Repository.open(clone)
    assert "shallow" in " ".join(repository.objections(repository.tip()))


def test_submodule_is_an_objection(folder: Path, tmp_path: Path) -> None:
    """The superproject records the old id."""
    outer = tmp_path / "outer"
    form = run(folder, "rev-parse", "--show-object-format")
    run(tmp_path, "init", "--quiet", f"--object-format={form}", str(outer))
    run(
        outer,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(folder),
        "inner",
    )
    repository = Repository.open(outer / "inner")
    assert "superproject" in " ".join(repository.objections(repository.tip()))


def test_plain_repository_has_no_objections(folder: Path) -> None:
    """A plain tip may get another id."""
    repository = Repository.open(folder)
    assert [] == repository.objections(repository.tip())


def test_bare_repository_and_linked_worktree_work(folder: Path, tmp_path: Path) -> None:
    """Neither needs a working tree of its own."""
    bare, linked = tmp_path / "bare", tmp_path / "linked"
    run(tmp_path, "clone", "--quiet", "--bare", str(folder), str(bare))
    run(folder, "worktree", "add", "--quiet", "-b", "side", str(linked))
    for place in (bare, linked):
        repository = Repository.open(place)
        tip = repository.tip()
        new = repository.apply(tip, some_content(repository, tip), "test")
        assert new == run(place, "rev-parse", "HEAD")


def test_hook_can_refuse_the_new_id(folder: Path) -> None:
    """The hook's refusal is the error, and the branch does not move."""
    hook = folder / ".git" / "hooks" / "reference-transaction"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    repository = Repository.open(folder)
    tip = repository.tip()
    with pytest.raises(GitError, match="hook"):
        repository.apply(tip, some_content(repository, tip), "test")
    assert tip.commit == run(folder, "rev-parse", "main")


def test_object_that_git_refuses_is_never_stored(folder: Path) -> None:
    """It is checked in a temporary object store."""
    repository = Repository.open(folder)
    tip = repository.tip()
    content = repository.read(tip.commit).replace(b"author A <", b"author A  <<", 1)
    with pytest.raises(GitError):
        repository.verify(content)
    assert not run(folder, "fsck", "--strict")


def test_missing_folder_for_temporary_files_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container without a writable file system."""
    repository = Repository.open(folder)
    content = some_content(repository, repository.tip())
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with pytest.raises(GitError, match="no folder for temporary files: No such file"):
        repository.verify(content)


def test_notes_are_seen(folder: Path) -> None:
    """They belong to an id, and would not be shown for the new one."""
    repository = Repository.open(folder)
    tip = repository.tip()
    assert not repository.has_notes(tip.commit)
    run(folder, "notes", "add", "--message=seen", tip.commit)
    assert repository.has_notes(tip.commit)


def test_tags_and_remote_branches_that_keep_the_old_id_are_listed(folder: Path) -> None:
    """The user learns what still points to the old commit."""
    run(folder, "tag", "v1")
    repository = Repository.open(folder)
    assert ["v1"] == repository.refs_at(repository.tip().commit)
