"""Sessions of the dashboard without a browser, each with a home of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from riskcore.dashboard import sources
from riskcore.dashboard.sources import Source

ROOT = Path(__file__).parents[2]
Open = Callable[..., AppTest]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RISKCORE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def open_page(home: Path) -> Iterator[Open]:
    """``open_page("data", source=...)`` runs a page in a new session and checks that it ran inside the shell."""
    from riskcore.dashboard import state

    def opened(page: str, *, source: Source | None = None, **kept: object) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)  # a first fit may compile
        if source is not None:
            app.session_state["rc.source"] = source
        for name, value in kept.items():
            app.session_state[f"rc.{name}"] = value
        app.run()
        if page != "overview":
            app.switch_page(f"pages/{page}.py").run()
        assert not app.exception
        assert app.title[0].value, "the page ran outside the shell"
        return app

    yield opened
    state.jobs().close()
    state.jobs.clear()


@pytest.fixture
def sample() -> Source:
    return sources.sample()
