"""Leaving the page in any way stops its searches."""

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
    """The server counts each one as cancelled by its client."""
    for client in ("A", "B"):
        is_searching(lab.start(client=client))

    with stops(server, client_cancel=2):
        leave(lab)


def test_a_stopped_search_can_be_resumed_after_coming_back(lab: Lab, server: ServerProcess) -> None:
    """This includes a page that the browser has kept in its back/forward cache."""
    is_searching(lab.start())
    with stops(server, client_cancel=1):
        lab.page.goto("about:blank")

    lab.page.go_back()

    card = lab.cards("A").first
    if card.count():  # if the page was cached
        expect(part(card, "state")).to_have_text("Stopped")
        expect(part(card, "ending")).to_contain_text("You left the page")
        card.get_by_role("button", name="Resume").click()
        is_searching(card)


def test_a_killed_browser_stops_its_searches(
    driver: Playwright, server: ServerProcess, gateway: GatewayProcess
) -> None:
    """By SIGKILL, so that it sends nothing."""
    with own_process(driver) as (browser, process):
        lab = Lab(browser.new_context().new_page(), gateway.url)
        for client in ("A", "B"):
            is_searching(lab.start(client=client))

        with stops(server, client_cancel=2):
            os.kill(process, signal.SIGKILL)
