from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

import riskcore as rc
from riskcore.forecasts import Forecasts
from riskcore.report import html_report, view
from riskcore.report.figures import FigureStore
from riskcore.report.settings import settings_rows
from riskcore.runs.cards import LAWS, VOLATILITIES, cost_words

HOSTILE = '<img src=x onerror="alert(1)">$x$ =cmd'
Tables = Callable[[Forecasts], pd.DataFrame]


class Page(HTMLParser):
    """Tags with their attributes, and texts outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("script", "style"):
            self.scripts.append(data)
        elif data.strip():
            self.texts.append(data.strip())


def cells(html: str, section: str) -> list[list[str]]:
    """Rows of the tables of a section, as texts."""
    part = html[html.index(f'id="{section}"') :]
    part = part[: part.index("</section>")]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", part, flags=re.DOTALL)
    return [[re.sub("<[^>]+>", "", c).strip() for c in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", r)] for r in rows]


def figure_store(html: str) -> dict[str, Any]:
    text = re.search(r'id="figure-store">(.*?)</script>', html, flags=re.DOTALL)
    assert text is not None
    store: dict[str, Any] = json.loads(text.group(1))
    return store


@pytest.fixture(scope="module")
def html(forecasts: Forecasts, make_scores: Tables, make_backtests: Tables) -> str:
    manifest = {
        "settings": {"window": 1000, "models": {"ewma": "LocationScale(volatility=EWMA(decay=0.94), law=Normal())"}},
        "state": "complete",
        "failed_units": [],
    }
    finding = {"code": "long_gap", "severity": "flagged", "message": "gap of 12 days", "file": "a.csv", "rows": [4, 5]}
    scores, backtests = make_scores(forecasts), make_backtests(forecasts)
    return html_report(
        forecasts, scores=scores, backtests=backtests, title="First & last", manifest=manifest, findings=[finding]
    )


def test_loads_nothing_and_carries_plotly_once(html: str) -> None:
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        assert "src" not in attributes
        assert not (attributes.get("href") or "#").startswith(("http", "//"))
    style = re.search(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    assert style is not None
    assert "url(" not in style.group(1)
    assert "@import" not in style.group(1)
    assert "default-src 'none'" in html
    assert sum("plotly.js v" in s for s in page.scripts) == 1
    assert len(html) < 7_000_000


def test_next_day_comes_first(html: str, forecasts: Forecasts) -> None:
    assert html.index('id="tomorrow"') < html.index('id="asset-1"') < html.index('id="settings"')
    rows = cells(html, "tomorrow")
    head = ["asset", "model", "VaR 99 %", "VaR 97.5 %", "ES 97.5 %", "expectile VaR τ = 0.99"]
    assert rows[0] == [*head, "expectile VaR τ = 0.99855", "volatility", "status"]
    for shown, (key, row) in zip(rows[1:9], forecasts.next_day().iterrows(), strict=True):
        assert shown[1] == key[1]
        assert shown[2] == f"{row['var_0.99']:.2%}".replace("%", " %")
        assert shown[6] == f"{row['expectile_0.99855']:.2%}".replace("%", " %")
    assert rows[1][0] == "S&amp;P 500"
    assert rows[2][0] == ""
    day = forecasts.next_day().index[0][2]
    assert f"For <strong>{day:%Y-%m-%d}</strong>" in html


def test_what_the_models_are(html: str) -> None:
    rows = cells(html, "settings")
    cards = VOLATILITIES["EWMA"], LAWS["Normal"]
    head = rows.index(["model", "part", "formula", "when to use it", "how it fails"])
    for name, row, card in zip(("ewma", ""), rows[head + 1 : head + 3], cards, strict=True):
        assert [str(escape(cell)) for cell in (name, card.title, card.formula, card.use, card.fails)] == row
    assert rows[head + 3] == ["", "Cost", cost_words("ewma")]


def test_what_stands_beside_every_expectile(html: str) -> None:
    rows = cells(html, "tomorrow")
    beside = [r for r in rows if len(r) == 6 and r[2] == "0.99855"]
    assert len(beside) == 8
    by_model = {r[1]: r for r in beside[4:]}
    assert by_model["ewma"][4:] == ["99.00 %", "97.43 %"]  # the fixture's law is normal
    assert by_model["care-linear"][4:] == ["–", "–"]
    assert html.count("expected gains within it are 688.7 times the expected losses beyond it") == 1
    assert html.count("it would be the VaR 99.001 %") == 1


def test_without_a_next_day_the_last_is_shown(
    build: Callable[..., Forecasts], make_scores: Tables, make_backtests: Tables
) -> None:
    forecasts = build(["A"], ["ewma"], n=300, ahead=False)
    html = html_report(forecasts, scores=make_scores(forecasts), backtests=make_backtests(forecasts))
    assert "Risk of the last day" in html
    assert "no row for the next day" in html
    assert 'class="tabs"' not in html  # one model needs no choice
    assert 'id="findings"' not in html
    assert 'id="settings"' not in html


def test_figures_hold_every_day_at_seven_digits(html: str, forecasts: Forecasts) -> None:
    store = figure_store(html)
    assert len(store["figures"]) == 2 * (4 * 4 - 1 + 2)  # the model without law has no PIT figure; two per asset
    band = store["figures"][0]
    line = next(t for t in band["data"] if t["name"] == "VaR 99 %")
    values = store["arrays"][line["y"]["ref"]]
    drawn = np.frombuffer(base64.b64decode(values["bdata"]), dtype="<f4")
    rows = forecasts.unit("S&P 500", "historical")
    np.testing.assert_allclose(drawn, rows["var_0.99"], rtol=1e-7)
    assert store["arrays"][line["x"]["ref"]] == [f"{d:%Y-%m-%d}" for d in rows.index]
    assert "title" not in band["layout"]
    losses = [t["y"]["ref"] for f in store["figures"] for t in f["data"] if t.get("name") == "loss"]
    assert len(losses) == 8
    assert len(set(losses)) == 2  # shared by the models of an asset
    assert set(store["themes"]) == {"light", "dark"}


def test_large_report_stays_small(build: Callable[..., Forecasts]) -> None:
    forecasts = build(["A"], ["ewma"], n=4000, fail=slice(1000, 1020))
    store = FigureStore()
    for kind in rc.FIGURES.values():
        if kind.reads == "forecasts":
            store.add(kind.spec(forecasts))
    assert len(store.json()) < 500_000  # eight such units and plotly.js make 9 MB


def test_scores_and_tests(html: str, forecasts: Forecasts, make_scores: Tables, make_backtests: Tables) -> None:
    rows = cells(html, "asset-2")
    best = [r for r in rows if "best" in r]
    assert len(best) == 7
    assert best[0][:3] == ["Quantile score, VaR 99 %", "historical", "0.00031000"]
    table = make_backtests(forecasts)
    first = table[(table["asset"] == "NASDAQ") & (table["test"] == "kupiec") & (table["level"] == 0.99)]
    shown = [r for r in rows if len(r) == 9 and r[1] in forecasts.models]
    for record in first.to_dict("records"):
        matching = [r for r in shown if r[1] == record["model"] and r[4] == f"{record['hits']:.0f}"]
        assert any(r[2] == view.p_text(record["p_value"]) and r[5] == "4.0" for r in matching)
    assert any(r[8] == "needs pit, which the model lacks" for r in shown)


def test_quality_and_banner(
    html: str, build: Callable[..., Forecasts], make_scores: Tables, make_backtests: Tables
) -> None:
    rows = cells(html, "quality")
    assert rows[0][2:] == ["ok", "retry", "boundary", "implausible", "stale params", "fallback", "failed"]
    assert rows[5][:2] == ["NASDAQ", "historical"]
    assert rows[8] == ["", "care-linear", "380", "0", "0", "0", "0", "0", "20"]
    assert "This run is degraded" not in html
    forecasts = build(["A"], ["care-linear"], n=200)
    broken = html_report(
        forecasts,
        scores=make_scores(forecasts),
        backtests=make_backtests(forecasts),
        manifest={"failed_units": [{"asset": "B", "model": "ewma", "reason": "window must be below 10 rows"}]},
    )
    assert "This run is degraded" in broken
    assert "10.00 % of the rows are implausible or worse" in broken
    assert "B · ewma: window must be below 10 rows" in broken


def test_hostile_names_and_words_are_escaped(
    build: Callable[..., Forecasts], make_scores: Tables, make_backtests: Tables
) -> None:
    forecasts = build([HOSTILE], [HOSTILE, "care-linear"], n=300)
    html = html_report(
        forecasts,
        scores=make_scores(forecasts),
        backtests=make_backtests(forecasts).assign(reason="</script><script>alert(1)</script>"),
        title="</title><script>alert(1)</script>",
        manifest={"note": "<b>", "nested": {"x": "</pre><img src=x>"}},
        findings=["<svg onload=alert(1)>"],
    )
    page = Page(html)
    assert [t for t, _ in page.tags if t in ("img", "svg", "b")] == []
    assert [t for t, _ in page.tags].count("script") == 3
    assert all("onerror" not in a and "onload" not in a for _, a in page.tags)
    assert HOSTILE in page.texts
    assert "&amp;lt;" not in html.split('id="figure-store"')[0]
    store = figure_store(html)
    words = json.dumps(store["figures"])
    assert "<img" not in words
    assert "$x$" not in words


def test_same_arguments_same_page(one: Forecasts, make_scores: Tables, make_backtests: Tables) -> None:
    pages = [html_report(one, scores=make_scores(one), backtests=make_backtests(one)) for _ in range(2)]
    assert pages[0] == pages[1]


def test_empty_tables(one: Forecasts, make_scores: Tables, make_backtests: Tables) -> None:
    html = html_report(one, scores=make_scores(one).iloc[:0], backtests=make_backtests(one).iloc[:0])
    assert "<h3>Scores</h3>" not in html
    assert "<h3>Tests</h3>" not in html


def test_tables_of_the_package(one: Forecasts) -> None:
    html = html_report(one, scores=rc.score_table(one), backtests=rc.backtest_table(one))
    assert "Kupiec" in html


@dataclass(frozen=True)
class Found:
    code: str
    severity: str
    message: str
    rows: tuple[int, ...] = ()


def test_findings_of_any_kind() -> None:
    rows = view.finding_rows([Found("bom", "fixed", "byte order mark", tuple(range(9))), "plain words"])
    assert rows[0]["place"] == "rows 0, 1, 2, 3, 4, 5 ..."
    assert rows[1] == {"code": "", "severity": "", "message": "plain words", "remedy": "", "place": ""}
    assert view.finding_rows(None) == []


def test_texts() -> None:
    assert view.number(None) == view.number(pd.NA) == view.number(float("inf")) == "–"
    assert view.number(-0.5) == "−0.5"
    assert view.percent(np.float64(0.99), 0) == "99 %"
    assert view.p_text(float("nan")) == "–"


def test_the_best_model_is_named_first_and_opened(
    html: str, build: Callable[..., Forecasts], make_scores: Tables, make_backtests: Tables
) -> None:
    forecasts = build(["A & B"], n=300)
    scores, backtests = make_scores(forecasts), make_backtests(forecasts)
    assert "(historical, lowest VaR score of 4 models; status ok)" in html
    mask = (scores["model"] == "garch-t") & (scores["measure"] == "var") & (scores["level"] == 0.99)
    scores.loc[mask, "mean"] = 1e-5
    page = html_report(forecasts, scores=scores, backtests=backtests)
    row = forecasts.next_day().xs("garch-t", level="model").iloc[0]
    values = [f"{row[c]:.2%}".replace("%", " %") for c in ("var_0.99", "es_0.975", "expectile_0.99")]
    words = f"VaR 99 % {values[0]}, ES 97.5 % {values[1]}, expectile VaR (τ = 0.99) {values[2]}"
    assert f"<strong>A &amp; B</strong>, next trading day after {row['origin']:%Y-%m-%d}" in page
    assert words in page
    assert "(garch-t, lowest VaR score of 4 models; status ok)" in page
    assert re.findall(r'data-panel="panel-1-(\d)" aria-pressed="true"', page) == ["3"]
    assert re.findall(r'id="panel-1-(\d)">', page) == ["3"]
    assert page.count('class=" chosen"') == 1
    scores.loc[mask, "n_obs"] = 3
    assert view.ranked(forecasts, scores, "A & B")[1].endswith("which were scored on different days")
    assert view.ranked(forecasts, scores.iloc[:0], "A & B") == ("historical", "first of 4 models, none has a VaR score")


def test_statuses_that_occur_are_explained(one: Forecasts, make_scores: Tables, make_backtests: Tables) -> None:
    frame = one.frame.copy()
    frame.loc[frame.index[-1], "status"] = "boundary"
    page = html_report(Forecasts(frame, one.targets), scores=make_scores(one), backtests=make_backtests(one))
    part = page.split('id="tomorrow"')[1].split("</section>")[0]
    assert "<strong>boundary</strong>: an estimated parameter lies on its limit, usable." in part
    assert "<strong>failed</strong>" not in part
    assert "(garch-t; status boundary)" in page
    assert "holidays are not known" in part


def test_many_assets_are_folded(build: Callable[..., Forecasts], make_scores: Tables, make_backtests: Tables) -> None:
    for n, folded in ((9, 0), (10, 7)):
        forecasts = build([f"A{i}" for i in range(n)], ["ewma"], n=30)
        page = html_report(forecasts, scores=make_scores(forecasts), backtests=make_backtests(forecasts))
        assert page.count('<details class="folded">') == folded
        assert page.count("<details") == page.count("</details>")
        tags = [t for t, _ in Page(page).tags]
        assert tags.count("section") == n + 3


def test_settings_are_words_and_the_manifest_is_whole(html: str) -> None:
    part = html[html.index('id="settings"') :].split("</section>")[0]
    assert cells(html, "settings")[0] == ["Window", "1,000 days"]
    assert part.count("<details>") == 2
    assert "&#34;window&#34;: 1000" in part
    assert "characters" not in part
    rows = dict(
        settings_rows(
            {
                "settings": {
                    "window": 500,
                    "expanding": True,
                    "refit_every": 20,
                    "from": "2012-01-01",
                    "to": None,
                    "ahead": True,
                    "targets": ["var_0.99", "expectile_0.99", "odd"],
                    "models": {"m": "LocationScale(volatility=Constant(), law=Empirical(), mean=AR1())"},
                },
                "data": {"A": {"rows": 5030, "first": "1999-01-05", "last": "2018-12-31"}},
                "inputs": [{"name": "a.csv", "bytes": 1234}],
                "code": {"riskcore": "0.1.0", "numpy": "2.4"},
                "timings": {"started": "2026-01-01", "seconds": 12.4},
            }
        )
    )
    assert rows["Window"] == ["expanding, at least 500 days"]
    assert rows["Forecasts"] == ["from 2012-01-01, with the next day"]
    assert rows["Targets"] == ["VaR 99 %, expectile VaR τ = 0.99, odd"]
    assert rows["Models"] == ["m: AR1 mean, constant volatility, empirical law"]
    assert rows["Prices"] == ["A: 5,030 days, 1999-01-05 to 2018-12-31"]
    assert rows["Files"] == ["a.csv (1,234 bytes)"]
    assert rows["Versions"] == ["riskcore 0.1.0", "numpy 2.4"]
    assert rows["Computed"] == ["2026-01-01, in 12 s"]
    assert settings_rows({"settings": [], "data": 3, "inputs": "x"}) == settings_rows(None) == []


def test_a_model_without_forecasts_for_a_year_has_a_report(
    build: Callable[..., Forecasts], make_scores: Tables, make_backtests: Tables
) -> None:
    forecasts = build(["A"], ["m"], n=700, fail=slice(100, 400))
    html = html_report(forecasts, scores=make_scores(forecasts), backtests=make_backtests(forecasts))
    store = figure_store(html)
    hits = next(t for f in store["figures"] for t in f["data"] if t.get("name") == "hits")
    assert None in store["arrays"][hits["text"]["ref"]]


def unpacked(value: dict[str, str]) -> np.ndarray[Any, Any]:
    cells = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
    return cells.reshape([int(n) for n in value["shape"].split(",")]) if "shape" in value else cells


def test_arrays_of_a_figure() -> None:
    days = pd.date_range("2024-01-01", periods=50).to_numpy()
    counts = {"u1": np.arange(50) + 200, "i1": np.arange(50) - 60, "u2": np.arange(50) + 300, "i2": np.arange(50) - 200}
    pairs = np.arange(100.0).reshape(50, 2)
    words = np.array(["a", None] * 25, dtype=object)
    parts = {"x": days, "late": days + np.timedelta64(9, "h"), "pairs": pairs, "words": words, "few": np.array([1.5])}
    layout = {"title": {"subtitle": {"text": "a &amp; b"}}, "height": 300, "template": {}, "range": [pd.Timestamp(0)]}
    store = FigureStore()
    spec = {"data": [{**parts, **counts}, {"x": days.copy(), "none": np.array([])}], "layout": layout}
    assert store.add(spec) == {"id": 0, "height": 300, "caption": "a & b"}
    found = json.loads(store.json())
    (first, second), arrays = found["figures"][0]["data"], found["arrays"]
    assert found["figures"][0]["layout"] == {"height": 300, "range": ["1970-01-01T00:00:00"]}
    assert second == {"x": first["x"], "none": []}
    assert len(arrays) == 8
    assert arrays[first["x"]["ref"]][:2] == ["2024-01-01", "2024-01-02"]
    assert arrays[first["late"]["ref"]][0] == "2024-01-01T09:00:00"
    assert arrays[first["words"]["ref"]] == words.tolist()
    np.testing.assert_array_equal(unpacked(arrays[first["pairs"]["ref"]]), pairs)
    np.testing.assert_array_equal(unpacked(first["few"]), [1.5])
    for dtype, values in counts.items():
        packed = arrays[first[dtype]["ref"]]
        assert packed["dtype"] == dtype
        np.testing.assert_array_equal(unpacked(packed), values)
