"""Searches of Chromium through the gateway, and two ways to disconnect."""

from collections.abc import Callable
from contextlib import ExitStack

from playwright.sync_api import Page, sync_playwright

from tests.integration.gateway_process import UNFINDABLE, GatewayProcess, search
from tests.web.chromium import launch

_BEGIN = """async (path) => {
  window.leaving = new AbortController();
  const response = await fetch(path, { signal: leaving.signal });
  response.text().catch(() => {});
}"""


def chromium_disconnects(
    gateway: GatewayProcess, stack: ExitStack
) -> dict[str, Callable[[ExitStack], Callable[[], None]]]:
    """Start a browser that ends with `stack`; return what starts a search, by disconnect.

    What starts a search returns what disconnects it, the driver's message to the browser included.
    """
    browser = stack.enter_context(launch(stack.enter_context(sync_playwright())))
    context = browser.new_context()

    def opened() -> Page:
        page = context.new_page()
        page.goto(f"{gateway.url}/icon.svg")  # same origin, and no requests of its own
        return page

    lasting = opened()

    def aborting(_: ExitStack) -> Callable[[], None]:
        lasting.evaluate(_BEGIN, search(UNFINDABLE))
        return lambda: lasting.evaluate("leaving.abort()")

    def closing(_: ExitStack) -> Callable[[], None]:
        page = opened()
        page.evaluate(_BEGIN, search(UNFINDABLE))
        close: Callable[[], None] = page.close
        return close

    return {"gateway, Chromium abort()": aborting, "gateway, Chromium tab closed": closing}
