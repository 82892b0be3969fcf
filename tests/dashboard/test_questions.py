"""Questions: a fault's code leads to one, each answer reads the file, and nothing of Python is said on the page."""

from __future__ import annotations

import pytest

from riskcore.dashboard import wording
from riskcore.dashboard.questions import QUESTIONS, Question, Seen, questions, unsettled
from riskcore.errors import DataError
from riskcore.ingest import CODES, Finding, load_prices, survey


def lines(*rows: str) -> bytes:
    return "\n".join(rows).encode() + b"\n"


def asked(content: bytes, **options: object) -> list[Question]:
    found = survey(content, **options)  # type: ignore[arg-type]
    prices = tuple(column for column, _ in found.price_columns)
    seen = Seen(tuple(found.sheets), tuple(found.names), prices, found.date_column or "")
    assert found.fault is not None, "the file is read without a question"
    return questions(found.findings, seen)


def rows(*days: str, price: str = "1{}.5") -> bytes:
    return lines("date,A", *(f"{day},{price.format(i)}" for i, day in enumerate(days)))


CASES = {
    "day_month": (rows("03/02/2020", "04/02/2020"), {"DMY": "2020-02-03", "MDY": "2020-03-02"}),
    "short_years": (
        rows("03/02/20", "04/02/20"), {"%d/%m/%y": "2020-02-03", "%m/%d/%y": "2020-03-02", "%y/%m/%d": "2003-02-20"},
    ),
    "short_names": (rows("03-Feb-20", "04-Feb-20"), {"%d-%b-%y": "2020-02-03"}),
    "time_of_day": (rows("2024-01-02 16:00:00", "2024-01-03 16:00:00"), {"%Y-%m-%d %H:%M:%S": "2024-01-02"}),
    "short_time": (rows("2024-01-02T16:00", "2024-01-03T16:00"), {"%Y-%m-%dT%H:%M": "2024-01-02"}),
    "afternoon": (
        rows("1/2/2024 4:00:00 PM", "1/3/2024 4:00:00 PM"),
        {"%d/%m/%Y %I:%M:%S %p": "2024-02-01", "%m/%d/%Y %I:%M:%S %p": "2024-01-02"},
    ),
    "zone": (rows("2024-01-02 00:00:00+00:00", "2024-01-03 00:00:00+00:00"), {"%Y-%m-%d %H:%M:%S%z": "2024-01-02"}),
    "utc": (rows("2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z"), {"%Y-%m-%dT%H:%M:%S%z": "2024-01-02"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_answer_on_dates_gives_the_day_that_it_promises(name):
    content, answers = CASES[name]
    (question,) = asked(content)
    assert question.topic == "date_format"
    assert {options["date_format"] for options in question.answers.values()} == set(answers)
    for label, options in question.answers.items():
        first = answers[options["date_format"]]
        assert first in [f"{day:%Y-%m-%d}" for day in load_prices(content, **options).prices.index]
        assert f"{int(first[8:])} " in label
        assert first[:4] in label


@pytest.mark.parametrize(
    ("content", "topic", "label", "assets"),
    [
        (lines("Prices", "date,A", "2024-01-01,1", "2024-01-02,2"), "header_row", "Row 2 of the file", ["A"]),
        (lines("date,x,y", "2024-01-01,1,1", "2024-01-02,2,1"), "columns", "x", ["x"]),
        (lines("date,x,", "2024-01-01,1,1", "2024-01-02,2,3"), "columns", "x", ["x"]),
        (lines("date,x,y", "2024-01-01,1,u", "2024-01-02,2,v"), "columns", "x", ["x"]),
        (lines("date,A", "2024-01-01,1", "2024-01-02,", "2024-01-03,", "2024-01-04,2"), "max_missing", "", ["A"]),
        (lines("date,A", "2024-01-01,1.2%", "2024-01-02,-0.3%"), "values", "", ["A"]),
    ],
)
def test_an_answer_reads_the_file(content, topic, label, assets):
    question = next(one for one in asked(content) if one.topic == topic)
    picked = label or next(iter(question.answers))
    options = question.options([picked] if question.several else picked)
    assert [*load_prices(content, **options).prices.columns] == assets


def test_columns_of_a_long_table_are_asked():
    (question,) = asked(lines("date,a1,b1", "2024-01-01,1,2", "2024-01-02,2,3"), layout="long")
    assert question.topic == "asset_column"
    assert list(question.answers) == ["date", "a1", "b1"]


def test_a_date_that_exists_in_one_order_only_says_so():
    fault = Finding("ambiguous_dates", "error", "", sample="25/02/2020", rows=(3,), column="d")
    (question,) = questions([fault], Seen())
    assert list(question.answers) == ["25 February 2020: day first", "no date that exists: month first"]


def test_one_question_for_each_option_and_the_rest_is_told():
    faults = [
        Finding("looks_like_returns", "error", "", sample="-0.1", column="A"),
        Finding("looks_like_returns", "error", "", sample="-0.2", column="B"),
        Finding("bad_date", "error", "'x' is no date that exists", rows=(4,)),
        Finding("gap", "flagged", "a gap"),
    ]
    assert [question.topic for question in questions(faults, Seen())] == ["values"]
    assert [fault.code for fault in unsettled(faults, Seen())] == ["bad_date"]


def test_the_tables_name_codes_of_the_reader():
    assert set(QUESTIONS) <= set(CODES)
    assert set(wording.REMEDIES) <= set(CODES)


PYTHON = ("Pass ", "pass ", "=[", "='", '="', "_format", "_row", "_column", "max_missing")


@pytest.mark.parametrize(
    "content",
    [
        *(content for content, _ in CASES.values()),
        b"", b"\x80\x04\x95" + bytes(40), b"a letter\n", lines("date,A", "2024-01-01,1", "2024-13-01,2"),
        lines("Prices", "date,A", "2024-01-01,1", "2024-01-02,2"), lines("obs,A", "1,3.2", "2,-0.1"),
        lines("date,A,", "2024-01-01,1,1", "2024-01-02,2,3"), lines("date,A", "2024-01-01,1,5", "2024-01-02,2,5"),
        lines("date;A", "2024-01-01;1.234", "2024-01-02;1.235"), lines("date;A", "2024-01-01;1,5", "2024-01-02;1.55"),
        lines("date,A", "2024-01-01,1%", "2024-01-02,2%"), lines("date,A,s", "2024-01-01,1,x", "2024-01-02,2,y"),
        lines("date,A", "2024-01-01,1", "2024-01-02,1"), lines("date,A", "2024-01-01,1", "2024-01-02,"),
        lines("date", "2024-01-01"), lines("2024-01-01,1", "2024-01-02,2"), lines("date,A,A", "2024-01-01,1,2"),
    ],
)  # fmt: skip
def test_faults_are_told_without_python(content):
    with pytest.raises(DataError) as caught:
        load_prices(content)
    told = "\n".join(wording.lines(caught.value.findings))
    assert told
    assert not [word for word in PYTHON if word in told], told
    table = wording.table(caught.value.findings)
    assert len(table) == len(caught.value.findings)
    assert not [word for word in PYTHON if word in " ".join(table["What to do"])]


def test_sentences():
    fixed, flagged = Finding("thousands", "fixed", ""), Finding("gap", "flagged", "")
    assert wording.sentence([fixed]) == "One thing was fixed without loss."
    both = "2 things were fixed without loss, one thing is worth a look; nothing was corrected there."
    assert wording.sentence([fixed, flagged, fixed]) == both
