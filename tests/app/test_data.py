"""The Data page: what it reads is what the engine reads, what is open is asked, what is bad costs nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import riskcore as rc
from riskcore.dashboard import sources
from riskcore.dashboard.shell import PAGES
from riskcore.dashboard.sources import Source
from riskcore.measures.table import loss_table

AMBIGUOUS = b"date,A\n03/02/2020,10.5\n04/02/2020,11.5\n05/02/2020,12.5\n"
HOSTILE = [
    "<img src=x onerror=alert(1)>", "[x](http://evil.example)", r"$\alpha$", ":material/home: :red[x]", "A" * 10_000,
    "=cmd|' /C calc'!A0", "**b** `c`", "שלום",
]  # fmt: skip


def lines(*rows: str) -> bytes:
    return "\n".join(rows).encode() + b"\n"


def walk(names: list[str], n: int = 30, seed: int = 0) -> pd.DataFrame:
    steps = 0.01 * np.random.default_rng(seed).standard_normal((n, len(names)))
    days = pd.bdate_range("2020-01-01", periods=n, name="date")
    return pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0)), index=days, columns=names).round(4)


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv().encode()


def workbook(**sheets: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as book:
        for name, frame in sheets.items():
            frame.to_excel(book, sheet_name=name)
    return buffer.getvalue()


def upload(app: AppTest, content: bytes, name: str = "mine.csv") -> AppTest:
    app.file_uploader[0].set_value((name, content, "text/csv")).run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def source_of(app: AppTest) -> Source:
    found: Source = app.session_state["rc.source"]
    return found


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def words(app: AppTest) -> str:
    return "\n".join(str(part.value) for kind in ("text", "error", "info", "markdown") for part in app.get(kind))


def figure(app: AppTest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(app.get("plotly_chart")[0].proto.spec)
    return found


def everything(app: AppTest) -> bytes:
    """All that the browser would get, tables and figures too."""

    def walked(block: Any) -> Iterator[bytes]:
        for child in block.children.values():
            if child.proto is not None:
                yield child.proto.SerializeToString()
            if hasattr(child, "children"):
                yield from walked(child)

    return b"\n".join(walked(app._tree))


def tables(app: AppTest) -> list[pd.DataFrame]:
    return [part.value for part in app.dataframe]


def test_without_data_the_page_offers_both_ways(open_page):
    app = open_page("data")
    assert len(app.file_uploader) == 1
    assert any("50 MB" in caption.value for caption in app.caption)
    assert any("250,000 rows" in caption.value for caption in app.caption)
    assert {button.label for button in app.button} >= set(sources.SAMPLES.values())
    assert not app.metric


def test_a_sample_shows_the_engines_figures(open_page):
    app = open_page("data")
    press(app, sources.SAMPLES["indices.csv"])
    data = sources.load(sources.sample())
    assert source_of(app) == sources.sample()
    assert metrics(app) == {
        "Assets": "2", "Rows of losses": "5,030", "First": "Jan 1999", "Last": "Dec 2018",
    }  # fmt: skip
    assert "Losses from 05 Jan 1999 to 31 Dec 2018" in words(app)
    assert data.digest[:12] in words(app)
    shown = next(table for table in tables(app) if "excess_kurtosis" in table)
    pd.testing.assert_frame_equal(shown, loss_table(data.losses), check_dtype=False, check_index_type=False)
    assert [trace["name"] for trace in figure(app)["data"]] == ["S&amp;P 500", "NASDAQ"]


def test_an_upload_is_read_as_the_engine_reads_it(open_page):
    frame = walk(["A", "B"])
    content = csv(frame)
    app = upload(open_page("data"), content)
    losses = rc.to_losses(rc.read_prices(content))
    assert metrics(app)["Rows of losses"] == str(len(losses))
    assert source_of(app).path.read_bytes() == content
    assert sources.load(source_of(app)).digest[:12] in words(app)
    shown = next(table for table in tables(app) if "worst" in table)
    assert shown["worst"].tolist() == losses.max().tolist()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("long.tsv", b"date\tasset\tprice\n2024-01-01\tX\t1\n2024-01-02\tX\t2\n2024-01-01\tY\t3\n2024-01-02\tY\t4\n"),
        ("semicolon.txt", b"date;X;Y\n31.01.2024;1,5;3\n01.02.2024;2,5;4\n"),
        ("book.xlsx", workbook(prices=walk(["X", "Y"]))),
        ("file.csv", sources.TEMPLATES["long"]),
    ],
)
def test_kinds_and_layouts(open_page, name, content):
    app = upload(open_page("data"), content, name)
    assert metrics(app)["Assets"] == "2"
    assert not app.error


@pytest.mark.parametrize(("answer", "first"), [(0, "04 Feb 2020"), (1, "02 Apr 2020")])
def test_day_or_month_is_asked_and_both_answers_are_taken(open_page, answer, first):
    app = upload(open_page("data", source=sources.sample()), AMBIGUOUS)
    assert "03/02/2020   (row 2, column date)" in [text.value for text in app.text]
    (question,) = (radio for radio in app.radio if radio.label == "Which day is this?")
    assert question.options == ["3 February 2020: day first", "2 March 2020: month first"]
    assert question.value is None, "no answer is proposed"
    assert source_of(app) == sources.sample(), "the data in use stay"
    question.set_value(question.options[answer])
    press(app, "Read the file this way")
    assert f"Losses from {first}" in words(app)
    assert source_of(app).options == {"date_format": ("DMY", "MDY")[answer]}


def test_an_answer_is_needed(open_page):
    app = upload(open_page("data"), AMBIGUOUS)
    press(app, "Read the file this way")
    assert [warning.value for warning in app.warning] == ["Choose an answer first."]


@pytest.mark.parametrize(("answer", "price"), [(0, 1.234), (1, 1234.0)])
def test_decimal_sign_is_asked(open_page, answer, price):
    content = lines("date;A", "2020-01-01;1.234", "2020-01-02;1.240", "2020-01-03;1.250")
    app = upload(open_page("data"), content)
    (question,) = (radio for radio in app.radio if radio.label == "Which number is this?")
    assert question.options == ["1.234: decimal point", "1234: decimal comma"]
    question.set_value(question.options[answer])
    press(app, "Read the file this way")
    assert sources.load(source_of(app)).prices.iloc[0, 0] == price


def test_two_questions_at_once(open_page):
    content = lines("date;A", "03/02/2020;1.234", "04/02/2020;1.240", "05/02/2020;1.250")
    app = upload(open_page("data"), content)
    for label in ("Which day is this?", "Which number is this?"):
        question = next(radio for radio in app.radio if radio.label == label)
        question.set_value(question.options[1])
    press(app, "Read the file this way")
    assert source_of(app).options == {"date_format": "MDY", "decimal": ","}


def test_the_sheet_is_asked(open_page):
    app = upload(open_page("data"), workbook(one=walk(["A"]), two=walk(["B", "C"])), "book.xlsx")
    question = next(box for box in app.selectbox if box.label == "Which sheet holds the prices?")
    assert question.options == ["one", "two"]
    question.set_value("two")
    press(app, "Read the file this way")
    assert sources.load(source_of(app)).assets == ["B", "C"]


@pytest.mark.parametrize(("answer", "values", "loss"), [(0, "returns", -0.012), (1, "percent", -0.00012)])
def test_returns_are_recognised_and_asked(open_page, answer, values, loss):
    cells = ["0.012", "-0.017", "0.02", "-0.014", "0.01", "0.03", "-0.02", "0.006", "-0.005", "0.004"]
    days = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2024-01-01", periods=10)]
    app = upload(open_page("data"), lines("date,A", *map(",".join, zip(days, cells, strict=True))))
    question = next(radio for radio in app.radio if "look like returns" in radio.label)
    assert question.options == [
        "Returns as fractions: this one is -1.7 %", "Returns in percent: this one is -0.017 %",
    ]  # fmt: skip
    question.set_value(question.options[answer])
    press(app, "Read the file this way")
    assert source_of(app).options == {"values": values}
    assert sources.load(source_of(app)).losses.iloc[0, 0] == pytest.approx(loss)
    assert figure(app)["layout"]["title"]["subtitle"]["text"].startswith("log returns")
    assert app.get("plotly_chart")[0].proto.alt.startswith("Returns of the assets compounded over time")


def test_a_column_of_text_is_left_out_by_an_answer(open_page):
    content = lines("date,A,sector", "2024-01-01,1,tech", "2024-01-02,2,tech", "2024-01-03,3,tech")
    app = upload(open_page("data"), content)
    question = next(box for box in app.multiselect if "Which are to be read" in box.label)
    assert question.value == ["A"]
    press(app, "Read the file this way")
    assert sources.load(source_of(app)).assets == ["A"]


BAD = {
    "empty": (b"", "The file is empty"),
    "letter": (b"This is a letter.\nIt has no prices\n", "has no columns"),
    "pickle": (b"\x80\x04\x95" + bytes(40), "pickle"),
    "old_excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Office file"),
    "html": (b"<!DOCTYPE html><html><table></table>", "web page"),
    "binary": (bytes(range(1, 200)) * 3, "binary"),
    "bad_xlsx": (b"PK\x03\x04" + bytes(100), "damaged"),
    "ragged": (lines("date,A", "2024-01-01,1", "2024-01-02,2,9"), "Row 3: 3 fields"),
    "header_only": (b"date,A\n", "no data"),
    "bad_date": (lines("date,A", "2024-01-01,1", "2024-13-02,2", "2024-01-03,2"), "Row 3, column date: '2024-13-02'"),
    "conflict": (lines("date,A", "2024-01-01,1", "2024-01-02,2", "2024-01-02,3"), "twice in A"),
    "zero": (lines("date,A", "2024-01-01,1", "2024-01-02,0", "2024-01-03,3"), "Row 3, column A: price 0"),
    "text_cell": (lines("date,A", "2024-01-01,1", "2024-01-02,n.b.", "2024-01-03,3"), "'n.b.' is no number"),
    "infinite": (lines("date,A", "2024-01-01,1", "2024-01-02,inf", "2024-01-03,3"), "'inf' is no price"),
    "quotes": (lines("date,A", '2024-01-01,"1', "2024-01-02,2"), "quote is not closed"),
    "two_tables": (lines("date,A", "2024-01-01,1", "date,A", "2024-01-02,2"), "two tables"),
    "one_price": (lines("date,A", "2024-01-01,1"), "one price"),
    "duplicate": (lines("date,A,A", "2024-01-01,1,2", "2024-01-02,2,3"), "name of columns 2, 3"),
}


PYTHON = ("Pass ", "=[", "date_format", "header_row", "max_missing", "price_column", "Traceback")


def test_bad_files_are_told_and_cost_nothing(open_page):
    app = open_page("data", source=sources.sample())
    for name, (content, told) in BAD.items():
        upload(app, content, f"{name}.csv")
        shown = words(app)
        asked = any("Some columns cannot" in box.label for box in app.multiselect)
        assert told in shown or (name == "one_price" and asked), f"{name}: {shown}"
        assert source_of(app) == sources.sample()
        assert "Nothing is lost" in shown
        assert not [word for word in PYTHON if word in shown], f"{name}: {shown}"
    press(app, "Back to the data in use")
    assert metrics(app)["Rows of losses"] == "5,030"


def test_every_fault_is_listed_with_its_row(open_page):
    content = lines("date,A,B", "2024-01-01,1,2", "2024-01-02,x,3", "2024-13-01,4,3", "2024-01-04,7", "2024-01-05,-5,5")
    app = upload(open_page("data"), content)
    assert "4 faults" in app.error[0].value
    told = ("Row 3, column A: 'x'", "Row 4, column date", "Row 5: 2 fields", "Row 6, column A: price -5")
    places = [words(app).find(line) for line in told]
    assert -1 < places[0] < places[1] < places[2] < places[3], "in the order of the file"


def test_kind_of_return_and_of_file(open_page):
    app = open_page("data", source=sources.sample())
    kind = next(radio for radio in app.radio if radio.label == "Losses from")
    kind.set_value("simple").run()
    assert source_of(app).kind == "simple"
    simple = sources.load(sources.sample().with_(kind="simple"))
    assert simple.digest[:12] in words(app)
    holds = next(radio for radio in app.radio if radio.label == "The file holds")
    holds.set_value("returns").run()
    assert "look like prices" in words(app) or any("look like prices" in radio.label for radio in app.radio)
    assert source_of(app).values == "prices", "what cannot be read does not come into use"


def test_the_form_reads_the_file_in_another_way(open_page):
    app = open_page("data", source=sources.sample("europe_1991_1998.csv"))
    columns = next(box for box in app.multiselect if box.label == "Columns of prices")
    assert columns.value == ["DAX", "SMI", "CAC", "FTSE"]
    columns.set_value(["CAC", "DAX"])
    press(app, "Read the file again")
    assert list(source_of(app).options["columns"]) == ["CAC", "DAX"]
    assert metrics(app)["Assets"] == "2"
    row = next(box for box in app.number_input if box.label == "Row of the column names")
    row.set_value(7)
    press(app, "Read the file again")
    assert app.error
    assert source_of(app).options.get("header_row") is None
    press(app, "Forget my answers")
    assert metrics(app)["Assets"] == "4"


def test_a_wrong_format_is_refused_in_the_pages_words(open_page):
    app = open_page("data", source=sources.sample())
    box = next(box for box in app.text_input if box.label == "Another date format")
    box.set_value("nonsense")
    press(app, "Read the file again")
    assert "date format must be one of" in words(app)
    assert source_of(app) == sources.sample()
    press(app, "Back to the data in use")
    assert metrics(app)["Assets"] == "2"


def test_of_a_file_that_is_no_table_no_empty_table_is_shown(open_page):
    app = upload(open_page("data", source=sources.sample()), b"%PDF-1.4 no table", "prices.csv")
    assert "PDF" in words(app)
    assert not tables(app)
    assert "understood so far" not in words(app)


def test_a_file_of_one_asset_can_be_given_a_name(open_page):
    app = upload(open_page("data"), lines("date,close", "2024-01-01,1", "2024-01-02,2", "2024-01-03,3"), "fund.csv")
    assert sources.load(source_of(app)).assets == ["fund"]
    box = next(box for box in app.text_input if box.label == "Name of the asset")
    box.set_value("My fund")
    press(app, "Read the file again")
    assert sources.load(source_of(app)).assets == ["My fund"]


def test_quality_report_can_be_filtered(open_page):
    app = open_page("data", source=sources.sample("europe_1991_1998.csv"))
    assert "5 things are worth a look" in words(app)
    report = next(table for table in tables(app) if "Verdict" in table)
    assert len(report) == 6
    app.pills[0].set_value(["▲ worth a look"]).run()
    report = next(table for table in tables(app) if "Verdict" in table)
    assert set(report["Verdict"]) == {"▲ worth a look"}
    assert len(report) == 5


def editor(app: AppTest) -> str:
    key: str = app.session_state["rc.weights.base"][0]
    return key


def set_weights(app: AppTest, weights: list[float]) -> AppTest:
    app.session_state[editor(app)] = {"edited_rows": {i: {"Weight": w} for i, w in enumerate(weights)}}
    return app.run()


def test_a_portfolio_is_that_of_the_engine(open_page):
    app = open_page("data", source=sources.sample())
    set_weights(app, [70.0, 20.0])
    assert "Sum: **90 %**, must be 100 %" in words(app)
    assert next(button for button in app.button if button.label == "Use this portfolio").disabled
    set_weights(app, [120.0, -20.0])
    press(app, "Use this portfolio")
    weights = {"S&P 500": 1.2, "NASDAQ": -0.2}
    assert source_of(app).weights == pytest.approx(weights)
    data = sources.load(source_of(app))
    expected = -rc.portfolio_returns(data.prices, weights)["portfolio"]
    np.testing.assert_allclose(data.losses["portfolio"], expected, atol=1e-15)
    assert metrics(app)["Assets"] == "3"
    assert app.session_state["rc.asset"] == "portfolio"
    assert any("other pages now look at it" in info.value for info in app.info)
    press(app, "Equal weights")
    assert "Sum: **100 %**" in words(app)
    press(app, "Use these weights")
    assert source_of(app).weights == {"S&P 500": 0.5, "NASDAQ": 0.5}
    press(app, "Remove the portfolio")
    assert source_of(app).weights is None
    assert metrics(app)["Assets"] == "2"


def test_a_portfolio_that_does_not_fit_another_reading_is_left_out(open_page):
    held = {"DAX": 0.5, "SMI": 0.5}
    app = open_page("data", source=sources.sample("europe_1991_1998.csv").with_(weights=held))
    columns = next(box for box in app.multiselect if box.label == "Columns of prices")
    columns.set_value(["CAC", "DAX"])
    press(app, "Read the file again")
    assert source_of(app).weights is None
    assert any("portfolio was left out" in info.value for info in app.info)


def test_another_page_and_back_keeps_everything(open_page):
    app = upload(open_page("data"), csv(walk(["A", "B"])))
    set_weights(app, [30.0, 60.0])
    before = source_of(app)
    app.switch_page("pages/overview.py").run()
    app.switch_page("pages/data.py").run()
    assert source_of(app) == before
    assert metrics(app)["Assets"] == "2"
    assert "Sum: **90 %**" in words(app), "weights that are being edited stay"
    app = upload(app, AMBIGUOUS, "asked.csv")
    app.switch_page("pages/overview.py").run()
    app.switch_page("pages/data.py").run()
    assert any(radio.label == "Which day is this?" for radio in app.radio), "the question stays open"
    assert source_of(app) == before


def test_hostile_names_are_shown_as_text(open_page):
    content = csv(walk(HOSTILE))
    app = upload(open_page("data"), content, "../../<img src=x onerror=alert(1)>.csv")
    assert not app.error
    assert ".." not in source_of(app).path.name
    rendered = [part for kind in ("markdown", "caption", "error", "info", "warning") for part in app.get(kind)]
    labels = [
        part.label for kind in ("button", "radio", "selectbox", "multiselect", "metric") for part in app.get(kind)
    ]
    labels += [part.proto.label for part in app.get("expander")] + [part.label for part in app.get("tab")]
    for text in [*(part.value for part in rendered), *labels]:
        assert not any(name[:20] in text for name in HOSTILE), text
    options = [option for radio in app.radio for option in radio.options]
    assert not any(name[:20] in option for name in HOSTILE for option in options)
    names = [trace["name"] for trace in figure(app)["data"]]
    assert names[0].startswith("&lt;img")
    assert "&#36;" in names[2]
    assert len(sources.load(source_of(app)).assets[4]) == 64


def test_hostile_names_in_questions(open_page):
    content = lines("d<b>,[x](http://evil.example)", "03/02/2020,1.5", "04/02/2020,2.5")
    app = upload(open_page("data"), content)
    assert any("d<b>" in text.value for text in app.text)
    assert not any("d<b>" in part.value for part in [*app.markdown, *app.caption])
    book = workbook(**{"<img onerror>": walk(["A"]), "$x$": walk(["B"])})
    app = upload(open_page("data"), book, "book.xlsx")
    question = next(box for box in app.selectbox if box.label == "Which sheet holds the prices?")
    assert question.options == ["<img onerror>", "$x$"]
    assert not any("onerror" in part.value for part in [*app.markdown, *app.caption, *app.error])


def test_two_visitors_never_see_each_others_data(open_page):
    apps = {}
    for mark in ("MARKERONE", "MARKERTWO"):
        app = open_page("data")
        apps[mark] = upload(app, csv(walk([f"{mark}a", f"{mark}b"], seed=len(apps))), f"{mark}file.csv")
    for page in PAGES:
        for mark, app in apps.items():
            app.switch_page(f"pages/{page}.py").run()
            assert not app.exception
            content = everything(app)
            other = next(name for name in apps if name != mark)
            assert other.encode() not in content, f"{page} shows another visitor's data"
            assert mark.encode() in content, "the probe sees nothing"
    one, two = (source_of(app).path for app in apps.values())
    assert one.parents[2] != two.parents[2], "workspaces differ"


def test_one_changed_cell_of_a_large_file_changes_the_page(open_page):
    days = pd.date_range("1850-01-01", periods=60_000, name="date")
    prices = pd.DataFrame({"A": 100 + np.sin(np.arange(60_000.0))}, index=days)
    shown = []
    app = open_page("data")
    for row in (None, 34_567):
        changed = prices.copy()
        if row is not None:
            changed.iloc[row, 0] = 50.0
        buffer = io.BytesIO()
        changed.to_parquet(buffer)
        upload(app, buffer.getvalue(), "large.parquet")
        table = next(table for table in tables(app) if "worst" in table)
        line = figure(app)["data"][0]["y"]
        shown.append((sources.load(source_of(app)).digest, table["worst"].iloc[0], str(line), words(app)))
    assert all(before != after for before, after in zip(*shown, strict=True))
    assert shown[1][1] == pytest.approx(-np.log(50 / prices.iloc[34_566, 0]))
