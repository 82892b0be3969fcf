"""Two runs beside each other: what differs in their manifests, and how far apart their mean scores are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from riskcore.runs.run import Run
from riskcore.runs.writing import percent

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("asset", "model", "measure", "level", "score")
_NONE = "-"
_SAME = 1e-12
"""Means whose relative difference is smaller differ by rounding only."""


def manifest_contrast(first: Run, second: Run) -> pd.DataFrame:
    """What differs between two runs: settings, models, data, files, reading, code, outcome and timings.

    Parameters
    ----------
    first, second : Run
        Runs that have ended.

    Returns
    -------
    DataFrame
        Columns part, what, first, second, as text; a hyphen where a run has nothing. Equal entries are left out.
    """
    import pandas as pd

    here, there = dict(_entries(first.manifest)), dict(_entries(second.manifest))
    rows = [
        (*place, here.get(place, _NONE), there.get(place, _NONE))
        for place in dict.fromkeys([*here, *there])
        if here.get(place, _NONE) != there.get(place, _NONE)
    ]
    return pd.DataFrame(rows, columns=["part", "what", "first", "second"], dtype="str")


def _entries(manifest: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """Part and name of everything in a manifest that a reader compares, with its value as text."""
    for name, value in manifest["settings"].items():
        if name == "models":
            yield from ((("models", model), text) for model, text in value.items())
        else:
            yield ("settings", name), _text(value)
    for asset, about in manifest["data"].items():
        yield ("data", asset), f"{about['rows']} losses, {about['first']} to {about['last']}, {about['sha256'][:12]}"
    for number, file in enumerate(manifest["inputs"], start=1):
        yield ("file", str(number)), f"{file['name']}, {file['bytes']} bytes, {file['sha256'][:12]}"
    for part, group in (("reading", manifest["notes"]), ("code", manifest["code"]), ("code", manifest["dependencies"])):
        yield from (((part, name), _text(value)) for name, value in group.items())
    yield from ((("code", name), str(manifest[name])) for name in ("python", "platform"))
    yield ("outcome", "state"), str(manifest["state"])
    yield from ((("outcome", f"rows {name}"), str(count)) for name, count in manifest["status"].items())
    yield ("outcome", "share implausible or worse"), percent(float(manifest["share_not_ok"]))
    yield ("outcome", "models not computed"), str(len(manifest["failed_units"]))
    timings = manifest["timings"]
    yield ("timing", "started"), str(timings["started"])
    yield ("timing", "seconds"), f"{timings['seconds']:.1f}"
    yield ("timing", "memory of the largest process"), f"{timings['peak_memory_mb']:.0f} MB"
    yield ("timing", "models kept from an earlier start"), str(timings["units_reused"])


def _text(value: object) -> str:
    if value is None:
        return _NONE
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def equal_units(first: Run, second: Run) -> tuple[int, int]:
    """Of the pairs of asset and model that both runs have: how many forecast files are equal to the byte, and all."""
    here, there = ({(u["asset"], u["model"]): u["sha256"] for u in run.manifest["units"]} for run in (first, second))
    shared = [unit for unit in here if unit in there]
    return sum(here[unit] == there[unit] for unit in shared), len(shared)


def score_contrast(first: Run, second: Run) -> pd.DataFrame:
    """Mean scores of two runs where both have a mean for the same asset, model, measure, level and score.

    The means are of each run's own days: only with the same number of days do they compare the same thing.

    Parameters
    ----------
    first, second : Run
        Runs that have ended, with their ``scores.csv``.

    Returns
    -------
    DataFrame
        Columns asset, model, measure, level, score, first, second, difference (second minus first: negative is better
        in the second; 0 where they agree to twelve digits), days in first, days in second.
    """
    import pandas as pd

    texts: dict[Hashable, Any] = {"asset": "str", "model": "str", "measure": "str", "score": "str"}
    tables = [
        pd.read_csv(run.path / "scores.csv", dtype=texts, keep_default_na=False, na_values={"level": "", "mean": ""})
        for run in (first, second)
    ]
    both = tables[0].merge(tables[1], on=list(KEYS), suffixes=("_1", "_2"), validate="one_to_one")
    both = both[both["mean_1"].notna() & both["mean_2"].notna()]
    apart = both["mean_2"] - both["mean_1"]
    return both[list(KEYS)].assign(
        **{
            "first": both["mean_1"],
            "second": both["mean_2"],
            "difference": apart.where(apart.abs() > _SAME * both["mean_1"].abs(), 0.0),
            "days in first": both["n_obs_1"],
            "days in second": both["n_obs_2"],
        }
    )
