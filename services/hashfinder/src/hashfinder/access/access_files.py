"""The tokens and the policy of a server, from its files."""

from functools import partial

from hashfinder.access.checked_file import load
from hashfinder.access.followed_files import FollowedFiles, OnReload, follow
from hashfinder.access.policy import Policy, Rule
from hashfinder.access.policy_file import parse_policy
from hashfinder.access.token_file import Tokens, parse_tokens
from hashfinder.domain.allowance import Allowance


class AccessFiles:
    """The tokens and the policy, in the last valid version of each file."""

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
        self._tokens: FollowedFiles[Tokens] | None = None
        self._policy: FollowedFiles[Policy] | None = None
        if tokens is not None:
            read = partial(load, tokens, parse_tokens)
            self._tokens = FollowedFiles("tokens", [tokens], read)
        if policy is not None:
            parse = partial(parse_policy, defaults=defaults, anonymous_allowed=anonymous_allowed)
            self._policy = FollowedFiles("policy", [policy], partial(load, policy, parse))

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

    async def follow(self, on_reload: OnReload) -> None:
        """Load each valid change of the files, for as long as this runs."""
        await follow(filter(None, (self._tokens, self._policy)), on_reload)
