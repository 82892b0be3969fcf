"""Chromium through playwright, and visits to the dashboard; without either the scenarios skip and say so."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from riskcore.dashboard import sources
from riskcore.dashboard.jobs import Jobs, request_for
from riskcore.dashboard.workspace import COOKIE, HOME, workspace_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PAGES = {
    "overview": "Overview",
    "data": "Data",
    "modelling": "Modelling",
    "review": "Backtest review",
    "runs": "Runs",
}
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All scenarios run in one worker: one server and one browser for the whole suite."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("server"))


def chromium() -> str | None:
    """Where Chromium is: the variable RISKCORE_CHROMIUM, else on the path."""
    return os.environ.get("RISKCORE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")  # not the session: its event loop would be in the way of other tests
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra `test`)")
    path = chromium()
    if path is None:
        text = "no Chromium found: install the package chromium, or set RISKCORE_CHROMIUM to one"
        if os.environ.get("RISKCORE_REQUIRE_CHROMIUM"):
            pytest.fail(text)
        pytest.skip(text)
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield found
        found.close()


class Visit:
    """A visitor: a browser context of its own, and what a visitor does."""

    def __init__(self, page: Page, url: str, *, dark: bool = False) -> None:
        self.page, self.url, self.dark = page, url, dark
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def reopened(self) -> Visit:
        """The same browser in a new tab."""
        return Visit(self.page.context.new_page(), self.url, dark=self.dark)

    @property
    def main(self) -> Locator:
        """The page without sidebar and header."""
        return self.page.get_by_test_id("stMain")

    def go(self, name: str = "") -> None:
        """Type an address."""
        self.page.goto(f"{self.url}/{name}")
        self.settled(PAGES[name or "overview"])

    def settled(self, title: str | None = None) -> None:
        """Wait until the script has run and the page shows its title."""
        if title is not None:
            self.page.get_by_role("heading", name=title, exact=True, level=1).wait_for()
        self.page.locator(IDLE).wait_for()
        self.page.wait_for_timeout(150)  # a click's rerun begins a moment after the click
        self.page.locator(IDLE).wait_for()
        self.page.wait_for_function("!document.querySelector('[data-stale=true]')")

    def open(self, name: str) -> None:
        """Go to a page by the sidebar, which on a phone is opened first."""
        link = self.page.get_by_test_id("stSidebar").get_by_role("link", name=PAGES[name], exact=True)
        opener = self.page.get_by_test_id("stExpandSidebarButton")
        if opener.is_visible():
            opener.click()
        link.click()
        self.settled(PAGES[name])
        closer = self.page.get_by_test_id("stSidebarCollapseButton").get_by_role("button")
        if (self.page.viewport_size or {"width": 1440})["width"] < 600 and closer.is_visible():
            closer.click()
            self.page.wait_for_timeout(400)

    def click(self, label: str) -> None:
        """Press a button of the page."""
        self.main.get_by_role("button", name=label, exact=True).first.click()
        self.settled()

    def use_sample(self) -> None:
        """Start with the sample, unless this browser works on it already."""
        self.go()
        if self.main.get_by_role("button", name="Use the sample").count():
            self.click("Use the sample")
        self.main.get_by_text("VaR 99 %", exact=True).first.wait_for()
        self.settled()

    def say(self) -> str:
        """All text of the page, on one line."""
        return re.sub(r"\s+", " ", self.main.inner_text())


@pytest.fixture(scope="module")
def ran(server: Any) -> str:
    """The cookie of a visitor who has a finished run of the sample."""
    token = secrets.token_urlsafe(32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME, str(server.home))
        runs = workspace_of(token).runs
    dataset = sources.load(sources.sample())
    chosen = {"models": ["historical", "ewma"], "from": "2016-01-01"}
    jobs = Jobs()
    job = jobs.submit(runs, request_for(dataset.source, dataset.digest, "Two models", **chosen), losses=dataset.losses)
    for _ in range(1200):
        now = jobs.get(runs, job.id)
        if now is None or not now.active:
            break
        time.sleep(0.1)
    jobs.close()
    assert now is not None
    assert now.readable, now.message
    return token


@pytest.fixture
def visit(browser: Browser, server: Any) -> Iterator[Callable[..., Visit]]:
    """``visit(dark=False, width=1440)`` is a new visitor; ``url=`` is another server, ``token=`` an owner of runs."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def new(*, dark: bool = False, width: int = 1440, url: str | None = None, token: str = "", **options: Any) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 844 if width < 600 else 1000},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        if token:
            context.add_cookies([{"name": COOKIE, "value": token, "url": url or server.url}])
        visits.append(Visit(context.new_page(), url or server.url, dark=dark))
        return visits[-1]

    yield new
    for context in contexts:
        context.close()
    assert [error for one in visits for error in one.errors] == []
