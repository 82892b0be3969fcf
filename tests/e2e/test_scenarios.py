"""Scenarios in a browser: deep links, from upload to report, cancel, dark, accessible, narrow, another model."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

NAMES = ("overview", "data", "modelling", "review", "runs")


def test_cold_deep_link_opens_inside_the_frame(browser: Any, visit: Any, serving: Any, tmp_path: Any) -> None:
    """A fresh server for each page: the first visit would warm it for the others."""
    names = NAMES[1:]  # overview lives at the root
    folders = [tmp_path / name for name in names]
    for folder in folders:
        folder.mkdir()
    with serving(folders) as servers:
        for name, server in zip(names, servers, strict=True):
            guest = visit(url=server.url)
            guest.go(name)
            sidebar = guest.page.get_by_test_id("stSidebar")
            assert sidebar.get_by_role("link").count() == len(NAMES)
            assert "positive figure hurts" in sidebar.inner_text()
            assert guest.page.url.endswith(f"/{name}")
            assert guest.page.get_by_text("Page not found").count() == 0
            guest.page.context.close()
            log = server.log.read_text(encoding="utf-8")
            assert "Please replace" not in log
            assert "Traceback" not in log


def overflow(guest: Any) -> list[str]:
    """What is wider than the screen, or sticks out of the page's block."""
    return guest.page.evaluate(
        """() => {
            const width = window.innerWidth, found = [];
            const whole = document.scrollingElement.scrollWidth;
            if (whole > width) found.push(`page ${whole}`);
            const main = document.querySelector('[data-testid=stMain]');
            if (main.scrollWidth > main.clientWidth) found.push(`main ${main.scrollWidth} > ${main.clientWidth}`);
            for (const e of main.querySelectorAll('*')) {
                const box = e.getBoundingClientRect();
                if (box.width === 0 || box.height === 0 || box.right <= width + 1) continue;
                let inside = false;  // a part of the page that scrolls by itself may be wider
                for (let p = e.parentElement; p && p !== main; p = p.parentElement) {
                    const style = getComputedStyle(p);
                    if (['auto', 'scroll', 'hidden', 'clip'].includes(style.overflowX)
                        && p.getBoundingClientRect().right <= width + 1) { inside = true; break; }
                }
                if (!inside) found.push(`${e.tagName} ${e.dataset.testid || e.className} to ${Math.round(box.right)}`);
            }
            return found.slice(0, 5);
        }"""
    )


def test_phone_shows_every_page_without_sideways_scrolling(visit: Any, ran: str) -> None:
    stranger = visit(width=390)
    stranger.go()
    assert "Use the sample" in stranger.say()
    assert overflow(stranger) == []
    stranger.page.context.close()
    guest = visit(width=390, token=ran)
    guest.use_sample()
    for name in NAMES:
        if name != "overview":
            guest.open(name)
        assert overflow(guest) == [], name


def violations(guest: Any) -> list[str]:
    """What axe finds against WCAG 2 A and AA, with the first places."""
    from axe_playwright_python.sync_playwright import Axe

    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
    left_out = {"exclude": [[".js-plotly-plot .svg-container"]]}  # drawings, whose words are in their label
    found = Axe().run(guest.page, context=left_out, options=rules).response["violations"]
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_in_its_theme(visit: Any, ran: str, theme: str) -> None:
    """WCAG 2 A and AA by axe; page, sidebar and charts have the theme's background."""
    stranger = visit(dark=theme == "dark")
    stranger.go()
    assert "Use the sample" in stranger.say()
    assert violations(stranger) == []
    stranger.page.context.close()
    guest = visit(dark=theme == "dark", token=ran)
    guest.use_sample()
    paper = {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 28, 34)"}[theme]
    n_charts = 0
    for name in NAMES:
        if name != "overview":
            guest.open(name)
        assert violations(guest) == [], name
        colours = guest.page.evaluate(
            """() => ({
                page: getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor,
                charts: [...document.querySelectorAll('.js-plotly-plot .main-svg:first-child')].map(
                    e => getComputedStyle(e).backgroundColor),
            })"""
        )
        assert colours["page"] == paper, name
        assert set(colours["charts"]) <= {paper}, name
        n_charts += len(colours["charts"])
    assert n_charts >= 3  # overview, data, review


def prices() -> bytes:
    """Two assets on 700 days."""
    days = pd.bdate_range("2021-01-04", periods=700)
    steps = 0.01 * np.random.default_rng(12).standard_t(5, size=(700, 2))
    table = pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0)), days, columns=["Alpha", "Beta"])
    return table.round(4).to_csv(index_label="date").encode()


def test_from_upload_to_a_downloaded_report(visit: Any, server: Any) -> None:
    guest = visit(accept_downloads=True)
    guest.go()
    guest.click("Upload prices")
    guest.settled("Data")
    upload = {"name": "my prices.csv", "mimeType": "text/csv", "buffer": prices()}
    guest.page.locator("input[type=file]").set_input_files(upload)
    guest.main.get_by_text("Rows of losses").wait_for()
    guest.settled()
    assert "699" in guest.say()

    guest.open("modelling")
    guest.click("Fit")
    guest.main.get_by_role("tab").first.wait_for()
    assert "persistence" in guest.say().lower()

    guest.open("review")
    guest.click("Start the backtest")
    guest.main.get_by_role("heading", name="Downloads").wait_for(timeout=90_000)
    guest.settled()
    with guest.page.expect_download() as waiting:
        guest.main.get_by_role("button", name="Report (HTML)").click()
    report = waiting.value.path().read_bytes()
    (written,) = [
        path for path in server.home.glob("workspaces/*/runs/*/run/report.html") if path.read_bytes() == report
    ]
    text = written.read_text(encoding="utf-8")
    assert "Alpha" in text
    assert "Beta" in text
    assert waiting.value.suggested_filename.endswith("report.html")

    guest.open("overview")  # its figures are now those of the run
    assert "From the run" in guest.say()


def test_cancelled_run_survives_the_tab_and_resumes(visit: Any) -> None:
    guest = visit()
    guest.use_sample()
    guest.open("modelling")  # a model that only arch estimates: long enough to be cancelled, short enough to wait for
    guest.main.get_by_text("mean × volatility × law", exact=True).click()
    guest.settled()
    guest.main.get_by_role("combobox", name="Mean").click()
    guest.page.get_by_role("option", name="ar1", exact=True).click()
    guest.settled()
    guest.click("Fit")
    guest.click("Add to the backtest")
    guest.open("review")
    assert "ar1-garch-t" in guest.say()
    every = guest.main.get_by_role("spinbutton", name="Estimate every … days")
    every.fill("100")
    every.press("Enter")
    guest.settled()
    guest.click("Start the backtest")
    guest.main.get_by_text("▶ running", exact=False).first.wait_for()
    guest.main.get_by_text(re.compile(r"^[1-9][\d,]* of [\d,]+ forecasts")).first.wait_for(timeout=60_000)
    guest.main.get_by_role("button", name="Cancel").click()
    guest.main.get_by_text("stopped", exact=False).first.wait_for(timeout=60_000)
    guest.page.close()

    again = guest.reopened()
    again.go("runs")
    again.main.get_by_text("What is done is kept", exact=False).first.wait_for()
    again.click("Resume")
    again.main.get_by_text("▶ running", exact=False).first.wait_for()
    again.main.get_by_role("button", name="Open in Backtest review").and_(again.page.locator(":enabled")).wait_for(
        timeout=90_000
    )
    again.click("Open in Backtest review")
    again.main.get_by_role("heading", name="Downloads").wait_for()


def test_another_model_reaches_every_part_of_the_review(visit: Any, ran: str) -> None:
    """The choice draws its own figures alone, unless a part further below is of one model too."""
    guest = visit(token=ran)
    guest.use_sample()
    guest.open("review")

    def titles() -> set[str]:
        return set(guest.main.locator(".js-plotly-plot .gtitle").all_text_contents())

    def choose(model: str) -> None:
        option = guest.page.get_by_role("option", name=model, exact=True)
        while not option.count():  # a click just after a redraw may open the list and close it again
            guest.main.get_by_role("combobox", name="Model").click()
            guest.page.wait_for_timeout(500)
        option.click()
        guest.main.locator(".gtitle", has_text=f"· {model}").first.wait_for()
        guest.settled()

    choose("historical")
    guest.main.get_by_role("tab", name="PIT").click()
    guest.main.locator(".gtitle", has_text="· historical").nth(2).wait_for()
    choose("ewma")  # with PIT open
    guest.main.locator(".gtitle", has_text="· ewma").nth(2).wait_for()
    assert titles() == {"S&P 500 · ewma"}
    guest.main.get_by_role("tab", name="Scores").click()
    guest.settled()
    choose("historical")  # its figures alone
    guest.main.get_by_role("tab", name="PIT").click()
    guest.main.locator(".gtitle", has_text="· historical").nth(2).wait_for()
    assert titles() == {"S&P 500 · historical"}
    choose("ewma")  # back to the model that the page was last drawn with
    guest.main.locator(".gtitle", has_text="· ewma").nth(2).wait_for()
    assert titles() == {"S&P 500 · ewma"}
