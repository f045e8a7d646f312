"""Chromium as driven by the tests, and the page in it."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.integration.gateway_process import UNFINDABLE
from tests.integration.server_process import ServerProcess, eventually

CHROMIUM = shutil.which("chromium") or "chromium"
FLAGS = (
    "--no-sandbox",  # tests may run as root, for whom the sandbox does not start
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENSHOTS = Path(__file__).parents[2] / ".cache" / "screenshots"
_STOPS = "hashfinder_cancellations_total"


class Lab:
    """The page in a tab. Records the console's messages and the targets of requests."""

    def __init__(self, page: Page, url: str) -> None:
        """Open the page."""
        self.page = page
        self.complaints: list[str] = []
        self.requested: list[str] = []
        page.on("console", lambda each: self._complain(each.type, each.text))
        page.on("pageerror", lambda each: self._complain("error", str(each)))
        page.on("request", lambda each: self.requested.append(each.url))
        page.goto(url)
        expect(page.locator("#server")).to_contain_text("takes searches")

    def _complain(self, kind: str, text: str) -> None:
        # A refused estimate is a normal response, but Chromium reports it as well.
        if kind in {"error", "warning"} and "status of 400" not in text:
            self.complaints.append(text)

    def field(self, name: str) -> Locator:
        """Return a field by its name in the contract's JSON."""
        return self.page.locator(f"#{name}")

    def error(self, name: str) -> Locator:
        """Return the element of a field's error."""
        return self.page.locator(f"#{name}-error")

    def fill(self, **fields: str) -> None:
        """Fill some fields, including those below "More"."""
        self.page.locator("#more").evaluate("each => { each.open = true }")
        for name, value in fields.items():
            field = self.field(name)
            if field.evaluate("each => each.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)

    def start(self, name: str = UNFINDABLE, client: str = "A", **fields: str) -> Locator:
        """Start a search, and return its card."""
        self.fill(desiredName=name, **fields)
        count = self.cards(client).count()
        self.page.get_by_role("button", name=f"Search as {client}").click()
        expect(self.cards(client)).to_have_count(count + 1)
        return self.cards(client).first

    def cards(self, client: str) -> Locator:
        """Return the cards of a client, newest first."""
        return self.page.locator(f".cards[data-client={client}] .card")

    def screenshot(self, name: str) -> None:
        """Save a screenshot."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def part(card: Locator, name: str) -> Locator:
    """Return a part of a card by its name in the template."""
    return card.locator(f"[data-part={name}]")


def is_searching(card: Locator) -> None:
    """Wait until a card's search has made progress."""
    expect(part(card, "state")).to_have_text("Searching")
    expect(part(card, "position")).not_to_have_text("0")


@contextmanager
def stops(server: ServerProcess, **causes: int) -> Iterator[None]:
    """Check that the block stops exactly these searches of the server, by cause."""
    before = server.samples()
    yield

    def counted() -> Counter[str]:
        found: Counter[str] = Counter()
        for labels, count in server.samples().moved(_STOPS, before).items():
            named = dict(labels)
            if named["method"] == "FindRange":
                found[named["cause"]] += int(count)
        return found

    eventually(lambda: counted().total() >= sum(causes.values()), f"{causes} counted", 20)
    server.wait_until_idle()
    assert causes == dict(counted())


def launch(driver: Playwright) -> Browser:
    """Return a browser that ends with the driver."""
    return driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))


@contextmanager
def own_process(driver: Playwright) -> Iterator[tuple[Browser, int]]:
    """Yield a browser and its process id, so that the test may kill it."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [
                CHROMIUM,
                "--headless=new",
                *FLAGS,
                f"--user-data-dir={folder}",
                "--remote-debugging-port=0",
                "about:blank",
            ],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = Path(folder, "DevToolsActivePort")
            eventually(lambda: port.exists() and port.read_text().count("\n") > 0, "it runs", 30)
            browser = driver.chromium.connect_over_cdp(
                f"http://127.0.0.1:{port.read_text().split()[0]}"
            )
            yield browser, process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
