"""Model cards: every model has one, with a measured cost, on every face."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from riskcore import FORECASTERS
from riskcore.cli import main
from riskcore.distributions import LAWS
from riskcore.runs import cards
from riskcore.volatility import VOLATILITIES

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))
import make_models_page

sys.path.pop(0)


@pytest.mark.parametrize("name", FORECASTERS)
def test_every_model_has_a_card_and_a_cost(name: str) -> None:
    assert cards.cards_of(repr(FORECASTERS[name]))
    fit, refit = cards.costs()[name]
    assert 0 < refit < 5
    assert 0 < fit < 5


def test_every_part_has_a_card_and_every_cost_a_model() -> None:
    assert {type(part).__name__ for part in VOLATILITIES.values()} == set(cards.VOLATILITIES)
    assert {type(part).__name__ for part in LAWS.values()} == set(cards.LAWS)
    used = [card for model in FORECASTERS.values() for card in cards.cards_of(repr(model))]
    assert all(card in used for card in (*cards.SAMPLES.values(), *cards.TAILS.values()))
    assert set(cards.costs()) == set(FORECASTERS)


@pytest.mark.parametrize(
    ("settings", "titles"),
    [
        ("LocationScale(mean=None, volatility=Constant(), law=Normal())", ["Constant volatility", "Normal law"]),
        ("LocationScale(volatility=Mine(), law=StudentT(nu=4.0))", ["Student t law"]),
        ("CARE(form='ig', level=0.98)", ["CARE by recursion (Taylor)"]),
        ("MarkovSwitching(regimes=3, law=Normal())", ["Three Markov regimes"]),
        ("<Mine object at 0x7f>", []),
        ("Mine(3)", []),
        ("DynamicLevel()", []),
        ("f.g()", []),
    ],
)
def test_cards_of_settings(settings: str, titles: list[str]) -> None:
    assert [card.title for card in cards.cards_of(settings)] == titles


def test_the_page_of_models_is_made_of_the_cards() -> None:
    assert make_models_page.PAGE.read_text(encoding="utf-8") == make_models_page.page(), (
        "python docs/make_models_page.py writes it anew"
    )


def test_the_command_shows_cards() -> None:
    result = CliRunner().invoke(main, ["models", "garch-evt", "historical"])
    assert result.exit_code == 0
    assert "GARCH(1,1)\n  formula  h' = omega + alpha u^2 + beta h\n" in result.output
    assert f"  cost     {cards.cost_words('historical')}, of one processor on 1,000 losses" in result.output
    assert max(map(len, result.output.splitlines())) <= 100
    wrong = CliRunner().invoke(main, ["models", "garch-etv"])
    assert wrong.exit_code != 0
    assert "did you mean 'garch-evt'?" in str(wrong.exception) + wrong.output
