"""A commit with a chosen id: found by a search, checked and moved by Git."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from hashfinder_cli.commands.find import find_match
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.jobs.commit import Commit, InvalidCommitError, Place, Template
from hashfinder_cli.jobs.git import GitError, Repository, Tip
from hashfinder_cli.options.groups import words_of
from hashfinder_cli.options.jobs import JobShown
from hashfinder_cli.options.pattern import Pattern
from hashfinder_cli.options.search import JobConnection, Kept, Limits
from hashfinder_cli.options.vanity import Vanity
from hashfinder_cli.search import JobSearch
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.reachable import smallest_distance
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from hashfinder_rules.score import distance

_ALGORITHMS = {"sha1": Algorithm.SHA1, "sha256": Algorithm.SHA256}


class RefusedError(Exception):
    """The commit must keep its id, or cannot get this one. Nothing was changed."""


def git_vanity(
    vanity: Vanity, connection: JobConnection, limits: Limits, kept: Kept, shown: JobShown
) -> ExitCode:
    """Find the commit, and move the branch to it if asked for; return the exit code."""
    try:
        job = _Job.prepare(vanity)
    except (GitError, InvalidCommitError, RefusedError) as error:
        print(f"{error}. Nothing was changed.", file=sys.stderr)
        return ExitCode.USAGE
    if vanity.check:
        return job.check(vanity.pattern)
    try:
        for note in job.notes():
            print(note, file=sys.stderr)
        search = JobSearch(
            Pattern(name=vanity.pattern),
            connection,
            limits,
            shown=shown.shown,
            kept=kept,
            job=job.query(vanity.pattern),
            words=("hashfinder", "git-vanity", vanity.pattern, *words_of(vanity, shown)),
        )
        code, match = find_match(search)
        if match is None:
            return code
        print(_report(job, vanity, job.finish(vanity, match.secret), as_json=shown.as_json))
    except (GitError, RefusedError) as error:
        print(f"{error}. Nothing was changed.", file=sys.stderr)
        return ExitCode.FAULT
    return ExitCode.FOUND


@dataclass(frozen=True)
class _Job:
    """One commit, and the object that it becomes."""

    repository: Repository
    tip: Tip
    scheme: Scheme
    template: Template

    @classmethod
    def prepare(cls, vanity: Vanity) -> "_Job":
        """Read the commit.

        Raises:
            GitError, InvalidCommitError: it cannot be read.
            RefusedError: it must keep its id, or no id is like that.
        """
        repository = Repository.open(Path(vanity.repo))
        tip = repository.tip(vanity.commit)
        scheme = Scheme(
            _ALGORITHMS[repository.object_format],
            Encoding.HEX,
            Anchor[vanity.anchor.upper()],
            wildcard="_",
        )
        if len(vanity.pattern) > scheme.longest_name or smallest_distance(vanity.pattern, scheme):
            message = f"an id of this repository has {scheme.longest_name} hex digits"
            raise RefusedError(message)
        commit = Commit.parse(repository.read(tip.commit))
        if not vanity.check:
            objections = repository.objections(tip)
            if commit.is_signed:
                objections.append("it is signed, and any other byte breaks the signature")
            if objections:
                message = f"{tip.commit[:12]} must keep its id: {'; '.join(objections)}"
                raise RefusedError(message)
        place = None if vanity.place == "auto" else Place(vanity.place)
        return cls(repository, tip, scheme, commit.template(place))

    def check(self, pattern: str) -> ExitCode:
        """Return whether the commit's own id has the pattern: FOUND or FAULT."""
        has_it = distance(pattern, self.tip.commit, self.scheme) == 0
        return ExitCode.FOUND if has_it else ExitCode.FAULT

    def query(self, pattern: str) -> Query:
        """Return the search for the free bytes."""
        template = self.template
        return Query(
            pattern,
            scheme=self.scheme,
            keyspace=Keyspace(template.alphabet, template.length),
            secret_prefix=template.prefix,
            secret_suffix=template.suffix,
        )

    def notes(self) -> list[str]:
        """Return notes for the user before the search."""
        notes = []
        if self.template.blocks > 1:
            notes.append(
                f"Each candidate takes {self.template.blocks} blocks of the hash, since what"
                " follows the free bytes is long; --place message takes one."
            )
        if others := self.repository.refs_at(self.tip.commit):
            notes.append(f"These keep the old id: {', '.join(others)}.")
        if self.repository.has_notes(self.tip.commit):
            notes.append(
                "The notes of git notes stay with the old id: git notes copy takes them along."
            )
        return notes

    def finish(self, vanity: Vanity, secret: bytes) -> str:
        """Return the new id, verified by Git; store the commit and move the branch if asked for."""
        content = self.template.content(secret)
        new = self.repository.verify(content)
        if distance(vanity.pattern, new, self.scheme):
            message = f"Git computes another id, {new}"
            raise RefusedError(message)
        if vanity.apply:
            reason = f"hashfinder git-vanity: {vanity.pattern}"
            self.repository.apply(self.tip, content, reason)
        return new


def _report(job: _Job, vanity: Vanity, new: str, *, as_json: bool) -> str:
    undo = job.tip.undo(new)
    if as_json:
        members = {
            "type": "commit",
            "ref": job.tip.ref,
            "old": job.tip.commit,
            "new": new,
            "place": job.template.place.value,
            "applied": vanity.apply,
            "undo": undo if vanity.apply else None,
        }
        return json.dumps(members)
    end = f"undo   {undo}" if vanity.apply else "Dry run: nothing was changed. --apply moves it."
    lines = (
        f"ref    {job.tip.ref}",
        f"old    {job.tip.commit}",
        f"new    {new}",
        f"place  {job.template.place.value}",
        end,
    )
    return "\n".join(lines)
