"""Checks that all relative links of the project's Markdown lead somewhere: files and headings.

Links with a scheme are not followed. Anchors are those that GitHub gives to headings, and `<a id>`.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

_ROOT = Path(__file__).parents[1]
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_ATTRIBUTES = {"link_open": "href", "image": "src"}
_IN_HTML = re.compile(r"""\b(?:href|src|srcset)\s*=\s*["']([^"']+)["']""")


def main() -> int:
    """Print each broken link of the repository's pages; return 1 if there is one."""
    broken = [fault for page in _pages() for fault in faults(page)]
    print(*broken, sep="\n", end="\n" if broken else "")  # noqa: T201 - its output
    return 1 if broken else 0


def _pages() -> Iterator[Path]:
    for entry in sorted(_ROOT.iterdir()):
        if entry.suffix == ".md":
            yield entry
        elif not entry.name.startswith("."):  # as an environment or a cache does
            yield from sorted(entry.rglob("*.md"))


def faults(page: Path) -> Iterator[str]:
    """Yield a sentence for each relative link of a page that leads nowhere."""
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = page.parent / unquote(parts.path) if parts.path else page
        if not target.exists():
            yield f"{page}: {link} leads to no file"
        elif parts.fragment and target.suffix == ".md" and parts.fragment not in anchors(target):
            yield f"{page}: {link} leads to no heading of {target.name}"


def links(page: Path) -> Iterator[str]:
    """Yield where a page's links and pictures lead, as they are written."""
    for token in _tokens(page):
        for each in (token, *(token.children or [])):
            if each.type in _ATTRIBUTES:
                yield str(each.attrs[_ATTRIBUTES[each.type]])
            elif each.type in {"html_block", "html_inline"}:
                yield from _IN_HTML.findall(each.content)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page: its own, and those that GitHub makes of headings."""
    found: set[str] = set()
    for opening, inline in pairwise(_tokens(page)):
        if opening.type != "heading_open":
            continue
        text = "".join(each.content for each in inline.children or [])
        anchor = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        same = sum(1 for each in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", each))
        found.add(f"{anchor}-{same}" if same else anchor)
    found.update(re.findall(r'<a id="([^"]+)">', page.read_text(encoding="utf-8")))
    return frozenset(found)


@cache
def _tokens(page: Path) -> list[Token]:
    return _MARKDOWN.parse(page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
