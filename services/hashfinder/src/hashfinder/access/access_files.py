"""The tokens and the policy of a server, from its files."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from hashfinder.access.policy import Policy, Rule
from hashfinder.access.policy_file import parse_policy
from hashfinder.access.reloaded_file import ReloadedFile
from hashfinder.access.token_file import Tokens, parse_tokens
from hashfinder.domain.allowance import Allowance

_LOOK_SECONDS = 1.0
"""How often the files are looked at."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class AccessFiles:
    """What access is decided by, in the newest valid version of each file."""

    def __init__(
        self,
        tokens: str | None,
        policy: str | None,
        defaults: Allowance,
        *,
        certificates: bool,
    ) -> None:
        """Read the files at these paths.

        Args:
            tokens: the file of tokens; None for no tokens.
            policy: the policy file; None for the same rule for everyone.
            defaults: what a client may have where the policy says nothing.
            certificates: whether clients have certificates. Where they have, or tokens, anonymous
                ones are refused unless the policy allows them.

        Raises:
            AccessFileError: a file cannot be read, or is not valid.
        """
        anonymous_allowed = tokens is None and not certificates
        self._default = Policy(Rule(defaults, allowed=anonymous_allowed), unlisted=Rule(defaults))
        self._tokens = None if tokens is None else ReloadedFile("tokens", tokens, parse_tokens)
        parse = partial(parse_policy, defaults=defaults, anonymous_allowed=anonymous_allowed)
        self._policy = None if policy is None else ReloadedFile("policy", policy, parse)

    @property
    def tokens(self) -> Tokens | None:
        """The tokens; None where none are used."""
        return None if self._tokens is None else self._tokens.value

    @property
    def policy(self) -> Policy:
        """The rules."""
        return self._default if self._policy is None else self._policy.value

    @property
    def names(self) -> list[str]:
        """``tokens`` and ``policy``, where there are such files."""
        return [file.name for file in (self._tokens, self._policy) if file is not None]

    async def follow(self, on_reload: Callable[[str, bool], None]) -> None:
        """Take each valid change of the files, for as long as this runs.

        `on_reload` is called with ``tokens`` or ``policy``, and whether the change was taken.
        """
        files: list[ReloadedFile[Any] | None] = [self._tokens, self._policy]
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for file in filter(None, files):
                try:
                    # Not on the loop: a file system may take its time.
                    was_taken = await asyncio.to_thread(file.refresh)
                except RuntimeError as error:  # no thread can start: perhaps the next time
                    _log.warning("file not looked at", file=file.name, reason=str(error))
                    continue
                if was_taken is not None:
                    on_reload(file.name, was_taken)
