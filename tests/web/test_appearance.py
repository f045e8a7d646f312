"""The page's appearance: dark, light, narrow, by keyboard, and to screen readers."""

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.web.chromium import Lab, is_searching, part

pytestmark = pytest.mark.web

AXE = Path(os.environ.get("NODE_PATH", ""), "axe-core", "axe.min.js")


def violations(page: Page) -> list[tuple[str, Any]]:
    """Return axe's violations on the page, with their places."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations")
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_page_is_accessible(lab: Lab, scheme: Literal["light", "dark"], width: int) -> None:
    """Names, roles and contrast are checked. Screenshots: before, during and after searches."""
    page = lab.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    lab.screenshot(f"{scheme}-{width}-before")

    page.get_by_role("button", name="one search of A against three of B").click()
    expect(lab.cards("B")).to_have_count(3)
    for card in lab.cards("B").all():
        is_searching(card)
    page.wait_for_timeout(3000)  # the plots and shares then have data
    lab.screenshot(f"{scheme}-{width}-during")

    lab.cards("A").first.get_by_role("button", name="Stop").click()
    found = lab.start("doctor", interestingHammingDistance="1")
    expect(part(found, "state")).to_have_text("Found")
    for card in lab.cards("B").all():  # so that the browser has the cores to itself
        card.get_by_role("button", name="Stop").click()
    lab.fill(startPosition="x")
    assert [] == violations(page)
    lab.screenshot(f"{scheme}-{width}-after")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_dark_is_dark_and_light_is_light(lab: Lab) -> None:
    """The page follows the system's colour scheme."""
    page = lab.page
    brightness = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type,unused-ignore]
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness[scheme] = sum(int(each) for each in colour[4:-1].split(","))
    assert brightness["dark"] < 120
    assert brightness["light"] > 690


def test_reduced_motion_is_respected(lab: Lab) -> None:
    """Otherwise a dot is animated while a search runs."""
    is_searching(lab.start())
    animations = "document.getAnimations().length"

    assert 0 < lab.page.evaluate(animations)
    lab.page.emulate_media(reduced_motion="reduce")
    assert 0 == lab.page.evaluate(animations)


def test_a_search_is_started_and_stopped_by_keyboard(lab: Lab) -> None:
    """The focus is visible."""
    page = lab.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the searches")).to_be_focused()
    page.keyboard.press("Tab")
    expect(lab.field("desiredName")).to_be_focused()
    assert "none" != page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Control+a")
    page.keyboard.type("hopelessly")
    page.keyboard.press("Enter")
    card = lab.cards("A").first
    is_searching(card)

    stop = card.get_by_role("button", name="Stop hopelessly, client A")
    for _ in range(40):
        page.keyboard.press("Tab")
        if stop.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Space")
    expect(part(card, "state")).to_have_text("Stopped")


def test_a_screen_reader_announces_starts_and_ends_alone(lab: Lab) -> None:
    """Values that change several times a second are not in a live region."""
    lab.page.evaluate(
        """() => {
          window.heard = [];
          const all = {childList: true, characterData: true, subtree: true};
          const live = "[role=status], [role=alert], [role=log], [aria-live], output";
          for (const region of document.querySelectorAll(live))
            new MutationObserver(() => heard.push(region.textContent)).observe(region, all);
        }"""
    )
    card = lab.start("hashfinder", interestingHammingDistance="4")
    is_searching(card)
    lab.page.wait_for_timeout(2500)
    card.get_by_role("button", name="Stop").click()
    announcer = lab.page.locator("#announcer")
    expect(announcer).to_contain_text("You stopped it")

    begun, ended = lab.page.evaluate("heard")
    assert "Search for hashfinder, client A started." == begun
    assert ended.startswith("hashfinder, client A: You stopped it")


def test_an_inline_script_does_not_run(lab: Lab) -> None:
    """The content security policy works, and a violation would fail the other tests."""
    lab.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
        }"""
    )
    assert lab.page.evaluate("window.ran === undefined")
    assert ["Content Security Policy"] == [
        "Content Security Policy" for text in lab.complaints if "Content Security Policy" in text
    ]
    lab.complaints.clear()
