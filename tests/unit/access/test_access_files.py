"""The files of tokens and of the policy, followed."""

import asyncio
import errno
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hashfinder.access import followed_files
from hashfinder.access.access_files import AccessFiles
from hashfinder.domain.allowance import Allowance

DEFAULTS = Allowance(
    weight=1, searches=1, maximum_hashes=1, hash_rate=0, hash_burst=1, maximum_seconds=1
)


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), OSError(errno.EMFILE, "Too many open files")]
)
async def test_system_without_threads_is_looked_at_again(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none can start, a change is taken as soon as one can.

    The first one also needs a descriptor: the module that starts it is imported then.
    """
    policy = tmp_path / "policy.toml"
    policy.write_text("")
    files = AccessFiles(None, str(policy), DEFAULTS, certificates=False)
    taken: list[tuple[str, bool]] = []
    tries = []

    async def refuse(*_: object) -> None:
        tries.append(1)
        raise error

    monkeypatch.setattr(followed_files, "_LOOK_SECONDS", 0.01)
    with monkeypatch.context() as patched, capture_logs() as lines:
        patched.setattr(asyncio, "to_thread", refuse)
        following = asyncio.ensure_future(files.follow(lambda *what: taken.append(what)))
        policy.write_text('reflection = "operators"\n')
        async with asyncio.timeout(5):
            while len(tries) < 3:  # noqa: ASYNC110  # it is no event
                await asyncio.sleep(0.01)
        assert [] == taken
    assert {"file not looked at"} == {line["event"] for line in lines}
    async with asyncio.timeout(5):
        while not taken:  # noqa: ASYNC110  # it is no event
            await asyncio.sleep(0.01)
    assert [("policy", True)] == taken
    following.cancel()
