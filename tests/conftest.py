"""Shared fixtures; real series are found through RISKCORE_DATA and never copied into the project."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

ROOT = Path(__file__).resolve().parents[1]
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "riskcore-hypothesis")  # leave nothing in the checkout
settings.register_profile("ci", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("nightly", deadline=None, database=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real price series; tests that need it skip where it is absent, and fail where it must be there."""
    folder = Path(os.environ.get("RISKCORE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        text = f"real price series not found in {folder} (set RISKCORE_DATA)"
        if os.environ.get("RISKCORE_REQUIRE_DATA"):
            pytest.fail(text)
        pytest.skip(text)
    return folder


@pytest.fixture(scope="session")
def golden() -> Any:
    """Reader of the oracle files in tests/golden: ``golden("garch_fcp")["case_id"]``."""

    def read(topic: str) -> dict[str, dict[str, Any]]:
        text = (ROOT / "tests" / "golden" / f"{topic}.json").read_text(encoding="utf-8")
        return {case["id"]: case for case in json.loads(text)["cases"]}

    return read


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Folder of the prices that ship with the project."""
    return ROOT / "sample_data"
