"""Settings from TOML: typed, bounded, and every slip is named."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

import riskcore as rc
from riskcore import defaults
from riskcore.errors import ConfigError
from riskcore.runs.config import KEYS, MAX_BYTES, Settings, check_keys, define_model, read_config, settings
from riskcore.runs.progress import Bar


def read(tmp_path: Path, text: str, **command_line: Any) -> Settings:
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    return settings(command_line, read_config(file))


def test_defaults() -> None:
    chosen = settings({"window": None, "models": None}, {})
    assert chosen.models == defaults.MODELS
    assert [t.label for t in chosen.targets] == [rc.Target.parse(t).label for t in defaults.TARGETS]
    assert chosen.plan == rc.WalkForward(defaults.WINDOW, defaults.REFIT_EVERY)
    assert (chosen.jobs, chosen.kind, chosen.from_date, dict(chosen.ingest)) == (-1, "log", None, {})


def test_the_quick_start_lists_every_key(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| key \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    listed = [set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in t.splitlines()))) for t in tables]
    assert listed[0] == set(KEYS) - {"model"}
    direct = {"form", "level", "lags", "es", "sharpness", "excess", "rule", "transform", "gain"}
    direct |= {"variance", "decay", "averages", "exog", "regimes", "common_nu"}
    direct |= {"draws", "prior_shape", "prior_rate", "seed"}
    assert listed[1] == {"kind", "mean", "volatility", "law", *direct}
    (example,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert [getattr(m, "name", m) for m in read(tmp_path, example).models] == ["calm", "tail", "historical"]


def test_models_of_the_tail_itself() -> None:
    assert define_model("x", {"kind": "care", "lags": 3}) == rc.CARE(lags=3, name="x")
    assert define_model("x", {"kind": "care", "form": "ig", "level": 0.98}) == rc.CARE("ig", 0.98, name="x")
    assert define_model("x", {"kind": "regime", "regimes": 3, "law": {"kind": "t", "nu": 5.0}}) == rc.MarkovSwitching(
        3, rc.StudentT(5.0), name="x"
    )
    level = define_model("x", {"kind": "dynamic-level", "rule": "online", "volatility": {"kind": "ewma", "decay": 0.9}})
    assert level == rc.DynamicLevel(rule="online", volatility=rc.EWMA(0.9), name="x")
    caviar = define_model("x", {"kind": "caviar", "form": "adaptive", "es": "additive", "sharpness": 20})
    assert caviar == rc.CAViaR("adaptive", "additive", 20, name="x")
    with pytest.raises(ConfigError, match=r"model\.x cannot be set: lags must be a whole number in \[1, 50\], got 2.5"):
        define_model("x", {"kind": "care", "lags": 2.5})
    with pytest.raises(ConfigError, match=r"es must be one of .*, got 'joint'"):
        define_model("x", {"kind": "caviar", "es": "joint"})


def test_everything_in_a_file(tmp_path: Path) -> None:
    text = """
    models = ["historical", "mine"]
    targets = ["var:0.975"]
    window = 500
    refit_every = 5
    expanding = true
    from = "2010-01-01"
    to = 2012-12-31
    jobs = 3
    kind = "simple"
    date_format = "%d.%m.%Y"
    decimal = ","
    layout = "long"
    columns = ["A"]
    max_missing = 0.1
    values = "percent"
    name = "DAX"
    weights = {A = 0.5, "B, C" = 0.5}
    [model.mine]
    kind = "care"
    level = 0.99
    """
    chosen = read(tmp_path, text, window=600, targets="var:0.99, es:0.99")
    assert chosen.models == ("historical", rc.CARE(level=0.99, name="mine"))
    assert chosen.targets == (rc.Target("var", 0.99), rc.Target("es", 0.99))
    assert chosen.plan == rc.WalkForward(600, 5, expanding=True)
    assert (chosen.from_date, chosen.to_date, chosen.jobs, chosen.kind) == ("2010-01-01", "2012-12-31", 3, "simple")
    assert chosen.ingest == {
        "date_format": "%d.%m.%Y", "layout": "long", "decimal": ",", "columns": ["A"], "max_missing": 0.1,
        "values": "percent", "name": "DAX",
    }  # fmt: skip
    assert (chosen.weights, chosen.values) == ({"A": 0.5, "B, C": 0.5}, "returns")


def test_weights_from_both_sides(tmp_path: Path) -> None:
    text = "[weights]\nA = 1\n[columns]\nclose = 'DAX'\n"
    chosen = read(tmp_path, text)
    assert (chosen.weights, chosen.ingest, chosen.values) == ({"A": 1.0}, {"columns": {"close": "DAX"}}, "prices")
    assert read(tmp_path, text, weights=" A = 0.75, S&P=500=0.25").weights == {"A": 0.75, "S&P=500": 0.25}
    assert settings({}, {}).weights is None


def test_keys_that_come_from_elsewhere_than_a_file_are_checked_too() -> None:
    chosen = settings({}, {"columns": ("A", "B"), "date_format": None, "weights": None, "values": "returns"})
    assert (chosen.ingest, chosen.weights) == ({"columns": ["A", "B"], "values": "returns"}, None)
    with pytest.raises(ConfigError, match=r"config key must be one of .*, got 'colums'; did you mean 'columns'"):
        settings({}, {"colums": ["A"]})
    with pytest.raises(ConfigError, match="window must be a whole number, got '500' in the form"):
        check_keys({"window": "500"}, "the form")


def test_model_tables_alone_are_the_models(tmp_path: Path) -> None:
    chosen = read(tmp_path, '[model.a]\nvolatility = "gjr"\nlaw = "skewt"\nmean = "ar1"\n[model.b]\nlaw = {kind="t"}')
    assert chosen.models == (
        rc.LocationScale(mean=rc.AR1(), volatility=rc.GJR(), law=rc.SkewT(), name="a"),
        rc.LocationScale(law=rc.StudentT(), name="b"),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("windw = 5", "config key must be one of .*, got 'windw'; did you mean 'window'"),
        ("refit-every = 5", "did you mean 'refit_every'"),
        ('window = "500"', "window must be a whole number, got '500' in run.toml"),
        ("window = true", "window must be a whole number, got True"),
        ("window = 500.0", r"window must be a whole number, got 500\.0"),
        ("window = 1000000000000", r"window must be a whole number in \[2, 1000000\]"),
        ("expanding = 1", "expanding must be true or false, got 1"),
        ("models = 'historical'", "models must be a list of texts"),
        ("models = ['historical', 3]", "models must be a list of texts"),
        ("models = []", "models must list 1 to 500 entries, got 0"),
        ("models = ['nothing']", "model must be one of .*, got 'nothing'"),
        ("from = 2010-01-01T00:00:00", "from must be a date"),
        ("from = '1.1.2010'", r"from must be a date such as 2005-01-31, got '1\.1\.2010'"),
        ("jobs = 5000", r"jobs must be a whole number in \[1, 1024\], or -1 for all processors, got 5000"),
        ("weights = ['A']", "weights must be a table of numbers"),
        ("weights = {A = '1'}", "weights must be a table of numbers"),
        ("weights = {A = nan}", "weights must be a table of numbers"),
        ("weights = {}", "weights must name 1 to 10000 assets, got 0"),
        ("weights = {A = 60, B = 40}", "weights must sum to 1, got 100; percentages are divided by 100"),
        ("columns = {close = 1}", "columns must be a list of texts or a table of texts"),
        ("columns = {}", "columns must list 1 to 10000 entries, got 0"),
        ("kind = 'cubic'", "kind must be one of log, simple, got 'cubic'"),
        ("targets = ['var:0.3']", r"level must lie in \(0\.5, 1\), got 0\.3"),
        ("max_missing = nan", "max_missing must be a number"),
        ("model = 3", "model must be a table of tables"),
        ("model.x = 3", "model must be a table of tables"),
        ("[model.x]\nlaw = 'tt'", r"model\.x\.law must be one of .*, got 'tt'; did you mean 't'"),
        ("[model.x]\nlew = 't'", r"model\.x key must be one of .*, got 'lew'; did you mean 'law'"),
        ("[model.x]\nlaw = {kind='t', nus=4}", r"model\.x\.law parameter .* got 'nus'; did you mean 'nu'"),
        ("[model.x]\nlaw = {kind='t', nu='4'}", r"model\.x\.law cannot be set"),
        ("[model.x]\nlaw = {kind='t', nu=[4]}", r"model\.x\.law\.nu must be a finite number or a text, got \[4\]"),
        ("[model.x]\nlaw = {kind='t', nu=inf}", r"model\.x\.law\.nu must be a finite number or a text, got inf"),
        ("[model.x]\nlaw = {nu=4}", r"model\.x\.law must be a name or a table such as"),
        ("[model.x]\nvolatility = {kind='ewma', decay=94}", r"model\.x\.vol.* decay must lie in \(0, 1\), got 94"),
        ("[model.x]\nmean = 'zero'", r"model\.x must set volatility or law, got neither"),
        ("[model.x]\nkind = 'car'", r"model\.x\.kind must be one of .*, got 'car'; did you mean 'care'"),
        ("[model.x]\nkind = 'care'\nfrom = 1", r"key must be one of form, .*, got 'from'; did you mean 'form'"),
        ("window = ", "config must be TOML, got .*run.toml"),
        ("x = " + "[" * 5000 + "]" * 5000, "config (must be TOML|key must be one of)"),
        ("#" * (MAX_BYTES + 1), f"config must have at most {MAX_BYTES} bytes"),
    ],
)  # fmt: skip
def test_slips_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, text)


def test_limits_on_numbers_of_things() -> None:
    with pytest.raises(ConfigError, match="targets must list 1 to 100 entries, got 101"):
        settings({"targets": ["var:0.99"] * 101}, {})
    with pytest.raises(ConfigError, match="model must hold at most 500 tables, got 501"):
        settings({}, {"model": {str(i): {} for i in range(501)}})
    with pytest.raises(ConfigError, match="model names must have 1 to 200 characters, got 201"):
        define_model("x" * 201, {"law": "t"})


def test_a_binary_file_is_no_configuration(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="config must be TOML"):
        read_config(file)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "lines"), [(io.StringIO(), 3), (Terminal(), 1)])
def test_progress_bar(stream: io.StringIO, lines: int) -> None:
    now = 0.0
    bar = Bar(stream, clock=lambda: now)
    for second in range(101):
        now = float(second)
        bar(100 + second, 200)
    bar(200, 200)
    bar.close()
    text = stream.getvalue()
    assert text.count("\n") == lines + (0 if lines == 1 else 1)
    assert text.count("\r") == (0 if lines == 3 else 101)
    assert "[########################] 100 % 200/200 days, 1/s, 1 min 40 s" in text
    assert "160/200 days, 1/s, 40 s left" in text


def test_models_with_columns_and_lists(tmp_path: Path) -> None:
    """Lists of a file become tuples; the parts of a model with columns and a regression of the tail."""
    text = """
    [model.mine]
    mean = { kind = "exog", columns = ["vix", "rv"], lag = true }
    volatility = { kind = "har", kind_of = 1 }
    """
    with pytest.raises(
        ConfigError, match=r"model.mine.volatility parameter must be one of lags, column, got 'kind_of'"
    ):
        read(tmp_path, text)
    chosen = read(tmp_path, """
    [model.mine]
    mean = { kind = "exog", columns = ["vix", "rv"], lag = true }
    volatility = { kind = "har", lags = [1, 10] }
    law = "t"
    [model.paper]
    kind = "expectile-regression"
    lags = 2
    variance = "garch"
    averages = [20, 60.5]
    exog = ["vix"]
    [model.short]
    volatility = { kind = "heavy", column = "rk" }
    """)  # fmt: skip
    assert chosen.models == (
        rc.LocationScale(
            mean=rc.ExogMean(("vix", "rv"), lag=True), volatility=rc.HAR(lags=(1, 10)), law=rc.StudentT(), name="mine"
        ),
        rc.ExpectileRegression(lags=2, variance="garch", averages=(20, 60.5), exog=("vix",), name="paper"),
        rc.LocationScale(volatility=rc.HEAVY("rk"), name="short"),
    )
    for line, words in (
        ("lags = [1]", r"model.x.lags must be a finite number or a text, got \[1\]"),
        ("exog = [[1]]", r"model.x.exog must be a finite number or a text, got \[\[1\]\]"),
        ("exog = [1]", "exog must be a tuple of names"),
        ('variance = "gjr"', "variance must be one of none, ewma, garch"),
        ("level = 0.99", "model.x key must be one of lags, variance, decay, averages, exog"),
    ):
        with pytest.raises(ConfigError, match=words):
            read(tmp_path, f'[model.x]\nkind = "expectile-regression"\n{line}\n')
