"""Whoever leaves the page stops its searches, however they leave."""

import os
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Playwright, expect

from tests.integration.gateway_process import GatewayProcess
from tests.integration.server_process import ServerProcess
from tests.web.chromium import Lab, is_searching, own_process, part, stops

pytestmark = pytest.mark.web


@pytest.mark.parametrize(
    "leave",
    [
        lambda lab: lab.page.close(),
        lambda lab: lab.page.reload(),
        lambda lab: lab.page.goto("about:blank"),
        lambda lab: lab.page.context.close(),
    ],
    ids=["tab closed", "reload", "navigation", "window closed"],
)
def test_leaving_stops_the_searches(
    lab: Lab, server: ServerProcess, leave: Callable[[Lab], None]
) -> None:
    """The server counts each as cancelled by its client."""
    for client in ("A", "B"):
        is_searching(lab.start(client=client))

    with stops(server, client_cancel=2):
        leave(lab)


def test_who_comes_back_finds_the_search_stopped_and_resumes_it(
    lab: Lab, server: ServerProcess
) -> None:
    """Also where the browser has kept the page as it was."""
    is_searching(lab.start())
    with stops(server, client_cancel=1):
        lab.page.goto("about:blank")

    lab.page.go_back()

    card = lab.cards("A").first
    if card.count():  # kept
        expect(part(card, "state")).to_have_text("Stopped")
        expect(part(card, "ending")).to_contain_text("You left the page")
        card.get_by_role("button", name="Resume").click()
        is_searching(card)


def test_a_killed_browser_stops_its_searches(
    driver: Playwright, server: ServerProcess, gateway: GatewayProcess
) -> None:
    """By SIGKILL: it says nothing any more."""
    with own_process(driver) as (browser, process):
        lab = Lab(browser.new_context().new_page(), gateway.url)
        for client in ("A", "B"):
            is_searching(lab.start(client=client))

        with stops(server, client_cancel=2):
            os.kill(process, signal.SIGKILL)
