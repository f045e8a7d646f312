"""The page's modules, one at a time, in the browser."""

import random

import pytest

from hashfinder_rules import scheme
from hashfinder_rules.score import match
from tests.web.chromium import Lab

pytestmark = pytest.mark.web

READABLE = {
    "grouped(18446744073709551615n)": "18,446,744,073,709,551,615",
    "about(10874375)": "10.9 million",
    "about(3.2e18)": "3.2 \u00d7 10¹⁸",
    "rate(0)": "0 H/s",
    "rate(999600)": "1.00 MH/s",
    "rate(61234567)": "61.2 MH/s",
    "duration(0.0004)": "< 1 ms",
    "duration(0.0904)": "90 ms",
    "duration(9.04)": "9.0 s",
    "duration(59.97)": "1 min 0 s",
    "duration(7200)": "2.0 h",
    "duration(1e9)": "31.7 years",
    "duration(Infinity)": "for ever",
    "percent(0)": "0 %",
    "percent(1e-9)": "< 0.001 %",
    "percent(0.632)": "63.2 %",
    "percent(0.99999)": "> 99.9 %",
    "share(0.49996)": "50.0 %",
}


def test_numbers_are_formatted_for_people(lab: Lab) -> None:
    """A position has all its digits; an estimate has three."""
    calls = ", ".join(f"format.{call}" for call in READABLE)
    found = lab.page.evaluate(f"import('/format.js').then((format) => [{calls}])")

    assert READABLE == dict(zip(READABLE, found, strict=True))


def test_bytes_go_to_base64_and_come_back_readable(lab: Lab) -> None:
    """Escapes stand for bytes, all other characters for their UTF-8."""
    evaluate = lab.page.evaluate
    encoded = "text => import('/bytes.js').then((bytes) => bytes.encoded(text))"
    readable = "text => import('/bytes.js').then((bytes) => bytes.readable(text))"

    assert "YQAKXMOk" == evaluate(encoded, r"a\x00\n\\ä")
    assert ["“tree ”", "00 ff", "(empty)"] == [
        evaluate(readable, text) for text in ("dHJlZSA=", "AP8=", "")
    ]


def test_the_mark_is_at_the_match_of_the_rules(lab: Lab) -> None:
    """For random texts of every encoding, names near them, anchors, case and wildcards."""
    seed = random.randrange(2**32)  # noqa: S311
    print(f"seed {seed}")  # noqa: T201  # shown where the test fails
    dice = random.Random(seed)  # noqa: S311
    cases, expected = [], []
    for _ in range(400):
        encoding = dice.choice(list(scheme.Encoding))
        anchor = dice.choice(list(scheme.Anchor))
        wildcard = dice.choice(["", "?"])
        case_sensitive = dice.random() < 0.5
        rules = scheme.Scheme(
            dice.choice(list(scheme.Algorithm)), encoding, anchor, case_sensitive, wildcard
        )
        text = encoding.text(rules.algorithm.digest(dice.randbytes(4)))
        length = dice.randint(1, min(12, rules.longest_name))
        at = dice.choice(list(rules.offsets(length)))
        symbols = encoding.symbols + wildcard
        name = "".join(
            dice.choice(symbols) if dice.random() < 0.3 else letter
            for letter in text[at : at + length].swapcase()
        )
        cases.append(
            [
                text,
                {
                    "desiredName": name,
                    "anchor": f"ANCHOR_{anchor.name}",
                    "caseSensitive": case_sensitive,
                    "wildcard": wildcard,
                },
            ]
        )
        expected.append(list(match(name, text, rules)))

    found = lab.page.evaluate(
        """cases => import("/match.js").then(({ locate }) => cases.map((each) => {
          const { distance, offset } = locate(...each);
          return [distance, offset];
        }))""",
        cases,
    )

    assert expected == found
