"""Broken links in Markdown are found; `make docs-check` checks that there are none."""

from pathlib import Path

import pytest

from docs.links import anchors, faults, links

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with headings, in a folder with another file."""
    (tmp_path / "other.md").write_text("# Of `find`, and `--local`: both\n\n## Twice\n\n## Twice\n")
    (tmp_path / "picture.svg").touch()
    (tmp_path / "a file.md").touch()
    page = tmp_path / "page.md"
    page.write_text("# Here\n")
    return page


def test_anchors_are_those_of_github(page: Path) -> None:
    """Lower case, no punctuation, hyphens for spaces, a number for repeated headings."""
    other = page.with_name("other.md")
    assert {"of-find-and---local-both", "twice", "twice-1"} == anchors(other)


@pytest.mark.parametrize(
    "text",
    [
        "[x](other.md)",
        "[x](other.md#twice-1)",
        "[x](#here)",
        "[x](a%20file.md)",
        "![x](picture.svg)",
        '<img src="picture.svg" alt="x">',
        "[x](https://nowhere.example/)",
        "`[x](nothing.md)`",
        "    [x](nothing.md)",
        "[x][y]\n\n[y]: other.md#twice",
    ],
)
def test_valid_link_is_accepted(page: Path, text: str) -> None:
    """So is a link inside code, and one to another site."""
    page.write_text(f"# Here\n\n{text}\n")
    assert [] == list(faults(page))


@pytest.mark.parametrize(
    ("text", "link", "missing"),
    [
        ("[x](nothing.md)", "nothing.md", "file"),
        ("[x](other.md#thrice)", "other.md#thrice", "heading of other.md"),
        ("[x](#there)", "#there", "heading of page.md"),
        ("| a |\n|---|\n| [x](no.md) |", "no.md", "file"),
        ("![x](no.svg)", "no.svg", "file"),
        ('<a href="no.md">x</a>', "no.md", "file"),
        ("[x][y]\n\n[y]: no.md", "no.md", "file"),
    ],
)
def test_broken_link_is_named(page: Path, text: str, link: str, missing: str) -> None:
    """The error has its page, and what is missing."""
    page.write_text(f"# Here\n\n{text}\n")
    assert [f"{page}: {link} leads to no {missing}"] == list(faults(page))


def test_index_leads_to_every_page() -> None:
    """It lists every page of the folder, except for single ADRs, which have their own index."""
    index = DOCS / "README.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(index)}
    pages = {*DOCS.glob("*.md"), *DOCS.glob("*/*.md")} - {index}
    records = {page for page in DOCS.glob("adr/*.md") if page.name != "README.md"}
    assert set() == pages - records - linked
