"""A server, a gateway and a browser for all tests of the page, and a tab for each test."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

from tests.integration.gateway_process import GatewayProcess, run_gateway
from tests.integration.server_process import ServerProcess, run_server
from tests.web.chromium import Lab, launch

_PATIENCE = 20_000
"""The timeout of expectations, in milliseconds."""


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A server that takes each connection of the gateway for a client.

    It leaves a core to the browser.
    """
    with run_server("--client-identity=connection", "--workers=1") as process:
        yield process


@pytest.fixture(scope="session")
def gateway(server: ServerProcess) -> Iterator[GatewayProcess]:
    """A gateway to the server."""
    with run_gateway(server) as process:
        yield process


@pytest.fixture(scope="session")
def driver() -> Iterator[Playwright]:
    """The driver of browsers."""
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(driver: Playwright) -> Iterator[Browser]:
    """A browser for all tests that do not kill it."""
    started = launch(driver)
    yield started
    started.close()


@pytest.fixture
def context(browser: Browser, server: ServerProcess) -> Iterator[BrowserContext]:
    """A browser profile with its own connections; no search may run when it is closed."""
    profile = browser.new_context(viewport={"width": 1280, "height": 900})
    profile.set_default_timeout(_PATIENCE)
    yield profile
    profile.close()
    server.wait_until_idle(20)


@pytest.fixture
def open_lab(context: BrowserContext, gateway: GatewayProcess) -> Iterator[Callable[[], Lab]]:
    """Open the page in a tab; at the end the console must be empty and all requests same-origin."""
    opened: list[Lab] = []

    def open_one() -> Lab:
        opened.append(Lab(context.new_page(), gateway.url))
        return opened[-1]

    yield open_one
    for lab in opened:
        assert [] == lab.complaints
        assert [] == [url for url in lab.requested if not url.startswith(f"{gateway.url}/")]


@pytest.fixture
def lab(open_lab: Callable[[], Lab]) -> Lab:
    """The page in a tab."""
    return open_lab()
