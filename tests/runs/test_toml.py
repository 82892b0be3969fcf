"""What is written as TOML is read again as it was."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskcore.errors import ConfigError
from riskcore.runs.toml import to_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.lists(TEXTS, max_size=3)
)
TABLES = st.dictionaries(TEXTS, VALUES, max_size=3)


NESTED = st.dictionaries(TEXTS, st.one_of(TABLES, st.dictionaries(TEXTS, TABLES, max_size=2)), max_size=2)


@given(st.dictionaries(TEXTS, st.one_of(VALUES, TABLES, NESTED), max_size=4))
def test_round_trip(settings: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(settings)) == settings


def test_none_is_left_out_and_others_refused() -> None:
    assert to_toml({"to": None, "window": 5}) == "window = 5\n"
    with pytest.raises(ConfigError, match="settings must be texts, numbers, lists and tables, got"):
        to_toml({"window": object()})
