"""Write docs/models.md from the model cards and measured costs: ``python docs/make_models_page.py``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from riskcore.runs.cards import LAWS, LETTERS, SAMPLES, TAILS, VOLATILITIES, Card, costs, duration
from riskcore.runs.catalogue import model_rows

PAGE = Path(__file__).with_name("models.md")


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The models, one by one\n"
    yield (
        "What each entry of `FORECASTERS` computes, when to use it, what a refit costs and how it fails. `riskcore "
        "models` lists them, `riskcore models NAME` shows one, as do the Modelling page (tab About) and the report. "
        "The formulas of measures, scores and tests are in [methods.md](methods.md), what was decided in "
        "[decisions.md](decisions.md), how well the estimators find known parameters in [recovery.md](recovery.md). "
        "Made by `python docs/make_models_page.py`.\n"
    )
    yield f"{LETTERS}\n"
    yield "## Samples of the losses\n"
    yield from _table(SAMPLES.values())
    yield "\n## Volatilities\n"
    yield (
        "Estimated by maximum likelihood with all of the law's parameters (a sample law: normal quasi-likelihood); "
        "HAR, Realized GARCH and HEAVY in steps. Mean (constant, zero, AR(1), columns of `exog`), volatility and law "
        "can be combined freely in `LocationScale`, a run file or on the Modelling page.\n"
    )
    yield from _table(VOLATILITIES.values())
    yield "\n## Laws of z\n"
    yield from _table(LAWS.values())
    yield "\n## The tail itself, and regimes\n"
    yield "CARE, CAViaR and their kin have no law for the rest of the distribution: no PIT, and only what is offered.\n"
    yield from _table(TAILS.values())
    yield "\n## Names and costs\n"
    yield (
        "Processor time on 1,000 losses of the S&P 500 with the default targets, on the 2-processor machine of "
        "[performance.md](performance.md), by `python -m benchmarks.models`: one fit from nothing, and a refit "
        "with the forecasts, densities and tail quantiles of its day in a walk that refits daily.\n"
    )
    yield (
        "The default targets are four. At one of them alone, over the whole series: recursive CARE at a given "
        "expectile level 65 to 125 us a refit, at a level matched to a VaR 0.4 to 0.7 ms; CAViaR with its ES 0.4 to "
        "0.8 ms; linear CARE 30 us.\n"
    )
    yield "| name | what it is | a fit | a refit and a day |"
    yield "| --- | --- | --- | --- |"
    for name, what in model_rows():
        fit, refit = costs()[name]
        yield f"| `{name}` | {what} | {duration(fit)} | {duration(refit)} |"
    yield (
        "\nThe core paper's equation 17 (a prior on the level) is not built: a level is a choice, data cannot infer "
        "it. Its mixture of regime expectiles is not offered: it is not the expectile of the mixture (2.40 for 3.51 "
        "in a simple case)."
    )


def _table(cards: Iterable[Card]) -> Iterator[str]:
    yield "| model | formula | when | how it fails |"
    yield "| --- | --- | --- | --- |"
    for card in cards:
        yield f"| {card.title} | `{card.formula}` | {card.use} | {card.fails} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
