"""Make the pictures of docs/tour.md and of the README anew: ``python docs/make_screenshots.py [folder]``.

Starts the dashboard with a home of its own, works through the sample as a visitor would, and takes a picture of every
page. Needs the extra ``test`` and Chromium (on the path, or named by RISKCORE_CHROMIUM).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
PAGES = {"data": "Data", "modelling": "Modelling", "review": "Backtest review", "runs": "Runs", "overview": "Overview"}
MAX_BYTES = 200_000
WIDE, NARROW, TALLEST = (1280, 860), (390, 844), 2600
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@contextlib.contextmanager
def dashboard() -> Iterator[str]:
    """Address of a fresh server."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "riskcore", "dashboard", "--port", str(port), "--no-browser"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, "RISKCORE_HOME": folder}
        process = subprocess.Popen(command, env=environment, **quiet)  # type: ignore[call-overload]
        try:
            for _ in range(300):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").close()
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def settled(page: Page, title: str | None = None) -> None:
    """Wait until the page has drawn what it shows."""
    if title:
        page.get_by_role("heading", name=title, exact=True, level=1).wait_for()
    for pause in (300, 700):
        page.locator(IDLE).wait_for()
        page.wait_for_timeout(pause)


def go(page: Page, name: str) -> None:
    """To a page by the sidebar, which on a phone is opened first."""
    opener = page.get_by_test_id("stExpandSidebarButton")
    if opener.is_visible():
        opener.click()
    page.get_by_test_id("stSidebar").get_by_role("link", name=PAGES[name], exact=True).click()
    settled(page, PAGES[name])
    closer = page.get_by_test_id("stSidebarCollapseButton").get_by_role("button")
    if page.viewport_size and page.viewport_size["width"] < 600 and closer.is_visible():
        closer.click()
        page.wait_for_timeout(500)


def press(page: Page, label: str) -> None:
    """A button of the page."""
    page.get_by_test_id("stMain").get_by_role("button", name=label, exact=True).first.click()
    settled(page)


def take(page: Page, path: Path, size: tuple[int, int], tallest: int = TALLEST) -> None:
    """The page at its full height, as far as `tallest`."""
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size[0], "height": max(size[1], min(height + 20, tallest))})
    settled(page)
    page.mouse.move(0, 0)
    page.screenshot(path=path)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    with contextlib.suppress(ImportError):  # smaller, if Pillow is there; true colours where they fit
        from PIL import Image

        picture = Image.open(path).convert("RGB")
        picture.save(path, optimize=True)
        if path.stat().st_size > MAX_BYTES:
            picture.quantize(256, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def visitor(browser: Browser, url: str, size: tuple[int, int], scheme: str, kept: Any = None) -> Page:
    """A browser that works on the sample; `kept` is the cookie of an earlier one, whose runs it sees."""
    look: Any = {"color_scheme": scheme, "reduced_motion": "reduce", "storage_state": kept}
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **look)
    context.set_default_timeout(180_000)
    page = context.new_page()
    page.goto(url)
    settled(page, "Overview")
    button = page.get_by_test_id("stMain").get_by_role("button", name="Use the sample", exact=True)
    if kept is None:
        take(page, IMAGES / "welcome.png", size)
    if button.count():
        press(page, "Use the sample")
    page.get_by_text("VaR 99 %", exact=True).first.wait_for()
    settled(page)
    return page


def make(browser: Browser, url: str) -> None:
    """All pictures."""
    page = visitor(browser, url, WIDE, "light")
    go(page, "review")
    press(page, "Start the backtest")
    page.get_by_text("▶ running").first.wait_for()
    take(page, IMAGES / "running.png", (WIDE[0], 480), 480)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    page.get_by_role("heading", name="Downloads").wait_for(timeout=600_000)
    for name in PAGES:
        go(page, name)
        if name == "modelling":
            press(page, "Fit")
            page.get_by_role("tab").first.wait_for()
            settled(page)
        take(page, IMAGES / f"{name}.png", WIDE, 1900 if name == "review" else TALLEST)
    kept = page.context.storage_state()
    for size, scheme, ending in ((WIDE, "dark", "dark"), (NARROW, "light", "phone")):
        again = visitor(browser, url, size, scheme, kept)
        take(again, IMAGES / f"overview-{ending}.png", size, 1900)
        go(again, "review")
        settled(again)
        take(again, IMAGES / f"review-{ending}.png", size, 1900)
        again.context.close()


def main() -> None:
    """Take all pictures into docs/images, or into the folder named on the command line."""
    global IMAGES
    IMAGES = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("RISKCORE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("no Chromium found: install the package chromium, or set RISKCORE_CHROMIUM to one")
    with dashboard() as url, sync_playwright() as driver:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=path, args=arguments)
        make(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
