"""The security guide agrees with the code."""

import re
from pathlib import Path

from hashfinder.access import policy_file
from hashfinder.access.policy import Reflection, Role
from hashfinder.access.policy_file import LIMITS, parse_policy
from hashfinder.transport.access import ON_BEHALF_OF_KEY
from hashfinder.transport.status import ACCESS_REASONS
from tests.unit.scheduling.allowances import AMPLE

GUIDE = (Path(__file__).parents[2] / "docs/security.md").read_text(encoding="utf-8")


def test_policy_of_the_guide_is_valid_and_does_what_it_says() -> None:
    """The example file loads unchanged."""
    [example] = re.findall(r"^```toml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    policy = parse_policy(example, AMPLE, anonymous_allowed=False)

    assert Reflection.KNOWN is policy.reflection
    assert (True, 2) == (policy.anonymous.allowed, policy.anonymous.allowance.searches)
    alice = policy.rule_of("token:alice")
    assert (Role.OPERATOR, 4, 64) == (alice.role, alice.allowance.weight, alice.allowance.searches)
    assert policy.rule_of("token:web").gateway
    assert 300 == policy.rule_of("user:192.0.2.1").allowance.maximum_seconds
    assert not policy.rule_of("token:mallory").allowed


def test_guide_has_every_setting_of_the_policy() -> None:
    """Each has its allowed values."""
    section = GUIDE.partition("\n## Policy file\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section, re.MULTILINE))
    known = {*policy_file._GROUP, "reflection"}  # noqa: SLF001  # what the parser goes by
    assert known == rows.keys()
    for name, entry in LIMITS.items():
        numbers = rows[name].replace(",", "").replace("10^15", str(10**15))
        least, most = numbers.replace("2^64 - 1", str(2**64 - 1)).split(" to ")
        assert f"a whole number from {least} to {most}" == entry.allowed


def test_guide_has_every_reason_and_the_metadata() -> None:
    """As in the table of statuses."""
    assert set(ACCESS_REASONS) == set(re.findall(r"^\| [A-Z_]+ \| `(\w+)`", GUIDE, re.MULTILINE))
    assert f"`{ON_BEHALF_OF_KEY}`" in GUIDE
