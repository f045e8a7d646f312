"""The policy file: its meaning, and its errors with their lines."""

import tomllib
from dataclasses import replace
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.access.file_error import AccessFileError
from hashfinder.access.policy import Policy, Reflection, Role, Rule
from hashfinder.access.policy_file import LIMITS, parse_policy
from hashfinder.config import Settings
from tests.unit.scheduling.allowances import AMPLE


def policy(text: str, *, anonymous_allowed: bool = True) -> Policy:
    """Return the policy in a file."""
    return parse_policy(dedent(text), AMPLE, anonymous_allowed=anonymous_allowed)


def refusal(text: str) -> AccessFileError | None:
    """Return the error of a file; None if it is valid."""
    try:
        policy(text)
    except AccessFileError as error:
        return error
    return None


def problems(text: str) -> list[tuple[int | None, str]]:
    """Return the problems in a file, with their lines."""
    with pytest.raises(AccessFileError) as caught:
        policy(text)
    return caught.value.problems


def test_empty_file_changes_nothing() -> None:
    """The flags apply, to anonymous clients as well."""
    found = policy("")
    assert Rule(AMPLE) == found.rule_of("192.0.2.1") == found.rule_of("token:anyone")
    assert Reflection.EVERYONE is found.reflection
    assert not policy("", anonymous_allowed=False).rule_of("192.0.2.1").allowed
    assert policy("anonymous.allowed = true", anonymous_allowed=False).rule_of("::/64").allowed


def test_sections_override_each_other() -> None:
    """What a section does not set comes from the group, and then from the flags."""
    found = policy("""
        reflection = "operators"
        [anonymous]
        searches = 1
        [unlisted]
        weight = 2
        [groups.lab]
        members = ["token:alice", "spiffe://example.org/lab/*"]
        searches = 64
        weight = 4
        [identities."token:alice"]
        role = "operator"
        weight = 8
        [identities."spiffe://example.org/lab/gate"]
        gateway = true
        allowed = false
    """)
    lab = replace(AMPLE, searches=64, weight=4)
    assert Reflection.OPERATORS is found.reflection
    assert Rule(replace(AMPLE, searches=1)) == found.rule_of("192.0.2.1")
    assert Rule(replace(AMPLE, weight=2)) == found.rule_of("dns:elsewhere.example")
    assert Rule(replace(lab, weight=8), role=Role.OPERATOR) == found.rule_of("token:alice")
    assert Rule(lab) == found.rule_of("spiffe://example.org/lab/two")
    gate = found.rule_of("spiffe://example.org/lab/gate")
    assert Rule(lab, allowed=False, gateway=True) == gate


def test_longest_matching_prefix_counts() -> None:
    """A whole name takes precedence over any prefix."""
    found = policy("""
        [groups.all]
        members = ["user:*"]
        weight = 1
        [groups.some]
        members = ["user:a*"]
        weight = 2
        [groups.few]
        members = ["user:ab*", "user:abc"]
        weight = 3
    """)
    weights = [found.rule_of(f"user:{name}").allowance.weight for name in ("b", "a", "ab", "abc")]
    assert [1, 2, 3, 3] == weights


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_those_of_the_settings(name: str) -> None:
    """The policy accepts for one client what a flag accepts for all."""
    flags = {
        "searches": "maximum_searches_per_client",
        "hash_rate": "client_hash_rate",
        "hash_burst": "client_hash_burst",
        "maximum_hashes": "maximum_hashes",
        "maximum_seconds": "maximum_seconds",
    }
    if (flag := flags.get(name)) is None:
        assert "weight" == name
        return
    schema = Settings.model_json_schema()["properties"][flag]
    allowed = f"a whole number from {schema['minimum']} to {schema['maximum']}"
    assert allowed == LIMITS[name].allowed


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('reflection = "nobody"', 1, "reflection must be 'everyone' or 'known' or 'operators'"),
        ("\nanonymous = 3", 2, "anonymous must be a table"),
        ("[anonymous]\nallowed = 1", 2, "anonymous.allowed must be true or false"),
        ("[anonymous]\nrole = 'user'", 2, "anonymous.role is not a setting; there are allowed, "),
        ("[unlisted]\n\nweight = 0", 3, "unlisted.weight must be a whole number from 1 to 1000"),
        ("unlisted.weight = 1.0", 1, "unlisted.weight must be a whole number from 1 to 1000"),
        ("unlisted = {weight = true}", 1, "unlisted.weight must be a whole number from 1 to 1000"),
        ("[group]\n", 1, "group is not a setting; there are reflection, anonymous, unlisted, "),
        ("[groups.a]\nsearches = 1", 1, "groups.a has no 'members'; it needs a list of 1 to "),
        ("[groups.a]\nmembers = []", 2, "groups.a.members must be a list of 1 to 10000 names"),
        (
            '[groups.a]\nmembers = [\n  "token:a",\n  "alice"]',
            4,
            "groups.a.members: 'alice' must be token:NAME, ",
        ),
        ("[groups.a]\nmembers = [[1]]", 2, "groups.a.members: '[1]' must be token:NAME, "),
        (
            '[groups.a]\nmembers = ["user:x"]\n[groups.b]\nmembers = ["user:x"]',
            4,
            "groups.b.members: 'user:x' is a member of 'a' as well",
        ),
        ("[identities.alice]\n", 1, "identities.alice must be named token:NAME, user:NAME, "),
        (
            '[identities]\n"token:a" = {role = "root"}',
            2,
            "identities.'token:a'.role must be 'user' or 'operator'",
        ),
        ('[identities]\n"token:a".searches = 0\n', 2, "identities.'token:a'.searches must be "),
        ("[anonymous\n", 1, "is not TOML: Expected ']' at the end of a table declaration"),
        ("a = 1\na = 2\n", 2, "is not TOML: Cannot overwrite a value"),
        ("a = " + "1" * 5000, None, "is not TOML: Exceeds the limit"),
        ("a = " + "[" * 5000, None, "is nested too deeply"),
    ],
)
def test_each_problem_has_its_line_and_the_allowed_values(
    text: str, line: int | None, problem: str
) -> None:
    """An operator need not search for it."""
    [(number, found)] = problems(text)
    assert problem == found[: len(problem)]
    assert line == number


def test_all_problems_are_reported_at_once() -> None:
    """At most twenty, so that the text stays readable."""
    text = "[anonymous]\n" + "\n".join(f"wrong{n} = {n}" for n in range(30))
    with pytest.raises(AccessFileError) as caught:
        policy(text)
    assert list(range(2, 32)) == [line for line, _ in caught.value.problems]
    assert str(caught.value).startswith("line 2: anonymous.wrong0 is not a setting")
    assert str(caught.value).endswith("; and 10 more")


keys = st.sampled_from(
    [*LIMITS, "allowed", "role", "gateway", "members", "reflection", "anonymous", "groups"]
) | st.text(max_size=5)
values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("token:a"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def toml(value: object) -> str:
    """Return a value in TOML's inline form."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = "".join(
            each if each.isalnum() or each == ":" else f"\\u{ord(each) & 0x7F:04x}"
            for each in value
        )
        return f'"{plain}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(key)} = {toml(each)}' for key, each in value.items())}}}"
    return str(value)


@given(st.dictionaries(keys, values, max_size=4))
def test_any_toml_is_accepted_or_refused_with_its_lines(tables: dict[str, object]) -> None:
    """There are no other errors, and each problem of valid TOML has a line."""
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in tables.items())
    error = refusal(text)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert error is not None
    else:
        assert error is None or all(line is not None for line, _ in error.problems)


@given(st.text(alphabet=st.sampled_from("[]\"'.=,{}#\n ab1*:"), max_size=80) | st.text())
def test_any_text_is_accepted_or_refused(text: str) -> None:
    """There are no other errors, whatever the bytes are."""
    error = refusal(text)
    assert error is None or str(error)
