"""Every public name exists, is documented and stands in docs/api.md; importing the package costs next to nothing."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path

import pytest

import riskcore

ROOT = Path(__file__).resolve().parents[1]


def listed() -> set[str]:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize("name", riskcore.__all__)
def test_name_exists_and_is_documented(name: str) -> None:
    thing = getattr(riskcore, name)
    if isinstance(thing, Mapping):  # a registry: its entries are documented
        assert thing
        for key, entry in thing.items():
            documented = next((getattr(entry, a) for a in ("run", "function", "draw") if hasattr(entry, a)), entry)
            assert (documented.__doc__ or "").strip(), f"{name}[{key!r}] has no docstring"
        return
    text = (thing.__doc__ or "").strip()
    assert len(text) > 15
    if is_dataclass(thing):
        assert isinstance(thing, type)
        assert text != f"{name}{inspect.signature(thing)}", "a dataclass's own text is no docstring"


def test_api_page_lists_all_names_and_no_others() -> None:
    described = {name for name in riskcore.__all__ if name != "__version__"}
    extra = listed() - described
    # registries of parts stand in the text of a row
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    missing = {name for name in described - listed() if f"`{name}`" not in text}
    assert (extra, missing) == (set(), set())


def test_all_is_sorted_without_repeats_and_unknown_names_fail() -> None:
    assert list(riskcore.__all__) == sorted(set(riskcore.__all__))
    assert set(riskcore.__all__) <= set(dir(riskcore))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        riskcore.nonsense  # noqa: B018


def modules_after(code: str) -> set[str]:
    code = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_is_light() -> None:
    heavy = {"scipy.stats", "arch", "plotly", "streamlit", "joblib", "numba", "pandas", "numpy"}
    assert not heavy & modules_after("import riskcore")


@pytest.mark.parametrize("code", ["riskcore.forecast", "riskcore.FORECASTERS", "riskcore.run_backtest"])
def test_engine_needs_no_heavy_packages(code: str) -> None:
    heavy = {"scipy.stats", "arch", "plotly", "streamlit", "joblib"}
    assert not heavy & modules_after(f"import riskcore\n{code}")


def test_version_stands_in_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{riskcore.__version__}]" in text
