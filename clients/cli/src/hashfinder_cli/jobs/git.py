"""The few things that a vanity commit needs of Git, each by Git itself."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

_SECONDS = 60.0
"""The timeout of one Git command. A hook or a lock may delay it, but not for a minute."""
_DETACHED = "HEAD"


class GitError(Exception):
    """Git refused, or the commit cannot be rewritten. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Tip:
    """A commit that a branch, or a detached HEAD, points to."""

    ref: str
    """The full name of the branch, or ``HEAD`` where it is detached."""
    commit: str
    """The object id."""

    @property
    def is_detached(self) -> bool:
        """Whether HEAD itself points to the commit."""
        return self.ref == _DETACHED

    def undo(self, new: str) -> str:
        """Return the command that moves the branch back from `new`."""
        detached = "--no-deref " if self.is_detached else ""
        return f"git update-ref {detached}{self.ref} {self.commit} {new}"


class Repository:
    """A repository, with or without a working tree. Neither that nor the index is touched."""

    def __init__(self, folder: Path, object_format: str) -> None:
        """Take what `open` has found."""
        self._folder = folder
        self.object_format = object_format
        """``sha1`` or ``sha256``."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the repository that `folder` is in.

        Raises:
            GitError: there is none, it belongs to another user, or Git is not installed.
        """
        repository = cls(folder, "")
        repository._git("rev-parse", "--git-dir")
        repository.object_format = repository._text("rev-parse", "--show-object-format")
        return repository

    def tip(self, revision: str | None = None) -> Tip:
        """Return the tip that `revision` names; by default the one that HEAD is on.

        Raises:
            GitError: there is no such commit, or it is the tip of no branch, or of several.
        """
        if revision is None or revision == _DETACHED:
            branch = self._try("symbolic-ref", "--quiet", "HEAD")
            if branch is not None and self._try("rev-parse", "--verify", "--quiet", branch) is None:
                message = f"{_short(branch)} has no commit yet"
                raise GitError(message)
            return self._at(branch or _DETACHED)
        commit = self._commit_of(revision)
        name = self._text("rev-parse", "--symbolic-full-name", revision)
        if name.startswith("refs/heads/"):
            return self._at(name)
        branches = self._text(
            "for-each-ref", "--points-at", commit, "--format=%(refname)", "refs/heads"
        ).split()
        if len(branches) == 1:
            return Tip(branches[0], commit)
        message = (
            f"{revision} is the tip of several branches ({', '.join(map(_short, branches))}): "
            "name one of them"
            if branches
            else f"{revision} is not the tip of a branch: only a tip can get another id"
        )
        raise GitError(message)

    def read(self, commit: str) -> bytes:
        """Return the content of a commit object."""
        return self._git("cat-file", "commit", commit)

    def objections(self, tip: Tip) -> list[str]:
        """Return why the tip must keep its id, a sentence each.

        Raises:
            GitError: a file of the repository cannot be read.
        """
        found: list[str] = []
        if self._text("for-each-ref", f"refs/replace/{tip.commit}"):
            found.append(
                "a replace ref stands in for it: Git shows another commit than it would rewrite"
            )
        if tip.commit in self._file("shallow").split():
            found.append(
                "it is where a shallow clone is cut, without its parents: fetch more first"
            )
        if any(line.startswith(tip.commit) for line in self._file("info/grafts").splitlines()):
            found.append("a graft gives it other parents than it names")
        if self._try("rev-parse", "--show-superproject-working-tree"):
            found.append(
                "the repository is a submodule, and its superproject records commits by their ids"
            )
        return found

    def verify(self, content: bytes) -> str:
        """Return the id of a commit object after ``git fsck --strict`` has accepted it.

        The object is written into a folder of its own, so that the repository stays as it is.

        Raises:
            GitError: Git does not accept it, or no temporary folder can be made.
        """
        objects = self._text("rev-parse", "--path-format=absolute", "--git-path", "objects")
        alternates = os.pathsep.join(
            filter(None, [objects, os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")])
        )
        try:
            folder = TemporaryDirectory(prefix="hashfinder-")
        except OSError as error:
            message = f"there is no folder for temporary files: {error.strerror}"
            raise GitError(message) from error
        with folder as quarantine:
            variables = {
                "GIT_OBJECT_DIRECTORY": quarantine,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": alternates,
            }
            command = ("hash-object", "-t", "commit", "-w", "--stdin")
            commit = self._git(*command, stdin=content, variables=variables).decode().strip()
            fsck = (
                "fsck",
                "--strict",
                "--no-full",
                "--no-reflogs",
                "--no-dangling",
                "--no-progress",
            )
            self._git(*fsck, commit, variables=variables)
        return commit

    def apply(self, tip: Tip, content: bytes, reason: str) -> str:
        """Store `content` and move the branch from the tip to it, atomically; return the new id.

        Raises:
            GitError: the branch has moved meanwhile, a hook refused, or nothing can be written.
        """
        new = self._git("hash-object", "-t", "commit", "-w", "--stdin", stdin=content)
        commit = new.decode().strip()
        detached = ("--no-deref",) if tip.is_detached else ()
        self._git("update-ref", *detached, "-m", reason, tip.ref, commit, tip.commit)
        return commit

    def refs_at(self, commit: str) -> list[str]:
        """Return the short names of the tags and remote branches that point to `commit`."""
        names = self._text(
            "for-each-ref",
            "--points-at",
            commit,
            "--format=%(refname:short)",
            "refs/tags",
            "refs/remotes",
        )
        return names.split()

    def has_notes(self, commit: str) -> bool:
        """Return whether ``git notes`` has something about `commit`."""
        return self._try("notes", "list", commit) is not None

    def _at(self, ref: str) -> Tip:
        return Tip(ref, self._commit_of(ref))

    def _commit_of(self, revision: str) -> str:
        return self._text("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")

    def _file(self, name: str) -> str:
        path = Path(self._text("rev-parse", "--path-format=absolute", "--git-path", name))
        try:
            return path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}"
            raise GitError(message) from error

    def _try(self, *arguments: str) -> str | None:
        """Return the output; None where Git exits with another code than 0."""
        try:
            return self._text(*arguments)
        except GitError:
            return None

    def _text(self, *arguments: str) -> str:
        return self._git(*arguments).decode(errors="replace").strip()

    def _git(
        self, *arguments: str, stdin: bytes = b"", variables: dict[str, str] | None = None
    ) -> bytes:
        environment = (
            os.environ | {"LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1"} | (variables or {})
        )
        command = ["git", "-C", str(self._folder), *arguments]
        try:
            done = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                env=environment,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            message = "git is not installed" if error.filename == "git" else str(error)
            raise GitError(message) from error
        except subprocess.TimeoutExpired as error:
            message = f"git {arguments[0]} did not end within {_SECONDS:g} s"
            raise GitError(message) from error
        if done.returncode:
            raise GitError(
                _sentence(arguments[0], done.stderr.decode(errors="replace").splitlines())
            )
        return done.stdout


def _sentence(command: str, lines: Iterable[str]) -> str:
    text = "; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in lines if line)
    return text or f"git {command} failed"


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
