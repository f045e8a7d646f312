"""Two clients of a page share the server; tabs share the browser's connections."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.integration.gateway_process import UNFINDABLE
from tests.integration.server_process import ServerProcess
from tests.web.chromium import Lab, is_searching, part

pytestmark = [pytest.mark.web, pytest.mark.alone]

ABOUT_HALF = re.compile(r"(3[5-9]|[45]\d|6[0-5])\.\d %")
ABOUT_A_SIXTH = re.compile(r"(\d|1\d|2[0-5])\.\d %")


def test_one_search_of_a_gets_as_much_as_three_of_b(lab: Lab, server: ServerProcess) -> None:
    """The page shows it in the cards, in the shares, and in the plots."""
    lab.page.get_by_role("button", name="one search of A against three of B").click()
    server.wait_for_searches(4)

    for client in ("A", "B"):
        share = lab.page.locator(f"[data-share={client}]")
        expect(share).to_have_text(ABOUT_HALF)
    expect(part(lab.cards("A").first, "share")).to_have_text(ABOUT_HALF)
    for card in lab.cards("B").all():
        expect(part(card, "share")).to_have_text(ABOUT_A_SIXTH)
    expect(lab.page.locator("#active figcaption")).to_contain_text("4, of 2 clients")
    assert 2 == server.metric("hashfinder_clients")


def test_six_connections_do_not_freeze_the_page(
    open_lab: Callable[[], Lab], server: ServerProcess
) -> None:
    """A browser opens at most six: a seventh search waits, and says why."""
    first, second = open_lab(), open_lab()
    for _ in range(4):
        is_searching(first.start())
    for _ in range(2):
        is_searching(second.start(client="B"))
    server.wait_for_searches(6)
    second.fill(desiredName=UNFINDABLE)

    seventh = second.start(client="B")

    expect(part(seventh, "state")).to_contain_text("Waiting: the browser opens six connections")
    expect(second.page.locator("#stale")).to_contain_text("not up to date")
    second.screenshot("waiting-for-a-connection")
    assert 6 == server.metric("hashfinder_searches_active")
    first.cards("A").first.get_by_role("button", name="Stop").click()
    is_searching(seventh)
    second.cards("B").last.get_by_role("button", name="Stop").click()
    expect(part(second.cards("B").last, "state")).to_have_text("Stopped")
    expect(second.page.locator("#stale")).to_be_empty(timeout=20_000)


def test_each_tab_has_its_own_clients(open_lab: Callable[[], Lab], server: ServerProcess) -> None:
    """Even if both have a client A."""
    for lab in (open_lab(), open_lab()):
        is_searching(lab.start())

    assert 2 == server.metric("hashfinder_clients")


def test_a_page_in_the_background_reads_no_metrics(lab: Lab) -> None:
    """It reads them at once when it can be seen again."""
    page = lab.page
    hide = """hidden => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with page.expect_request("**/metrics"):  # the page reads now and then
        pass
    page.evaluate(hide, arg=True)
    page.wait_for_timeout(500)  # for a reading that is under way
    before = _readings(lab)
    page.wait_for_timeout(3000)
    assert before == _readings(lab)

    with page.expect_request("**/metrics", timeout=900):  # before the next regular one
        page.evaluate(hide, arg=False)


def _readings(lab: Lab) -> int:
    return sum(url.endswith("/metrics") for url in lab.requested)
