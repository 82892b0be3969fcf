"""What a walk is asked for, checked and labelled: models, targets, losses."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray, Target, WalkForward, with_companions
from riskcore.errors import DataError, require
from riskcore.forecasters import FORECASTERS, Forecaster


def resolve_models(models: Forecaster | str | Iterable[Forecaster | str]) -> dict[str, Forecaster]:
    """Label every model: the user's `name`, the registry's short name, or else the text of its settings.

    Parameters
    ----------
    models : iterable of Forecaster or str
        Forecasters, or short names from `FORECASTERS`.

    Returns
    -------
    dict
        Label to forecaster, in order.

    Raises
    ------
    ConfigError
        For an unknown name, a name used twice, or no models.

    Examples
    --------
    >>> list(resolve_models(["historical", "garch-t"]))
    ['historical', 'garch-t']
    """
    found: dict[str, Forecaster] = {}
    for model in [models] if isinstance(models, (str, Forecaster)) else models:
        label, forecaster = _labelled(model)
        require(label not in found, f"models must have different names, got {label!r} twice; give one of them name=")
        found[label] = forecaster
    require(bool(found), f"models must name at least one of {', '.join(FORECASTERS)}, got none")
    return found


def _labelled(model: Forecaster | str) -> tuple[str, Forecaster]:
    if isinstance(model, str):
        close = difflib.get_close_matches(model, FORECASTERS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        require(model in FORECASTERS, f"model must be one of {', '.join(FORECASTERS)}, got {model!r}{hint}")
        return model, FORECASTERS[model]
    is_class = isinstance(model, type)
    require(not is_class, f"model must be a forecaster, got the class {model!r}; make one, such as LocationScale()")
    hint = "; put it into LocationScale(volatility=...)" if hasattr(model, "filter") else ""
    is_forecaster = isinstance(model, Forecaster)
    require(is_forecaster, f"model must be a forecaster or a short name, got {type(model).__name__}{hint}")
    if model.name is not None:
        return model.name, model
    short = next((key for key, known in FORECASTERS.items() if known == model), None)
    return short or repr(model), model


def resolve_targets(targets: Target | str | Iterable[Target | str] | None) -> tuple[Target, ...]:
    """Targets from objects or texts such as ``var:0.99``, the defaults for None, each ES with its companion VaR."""
    chosen = defaults.TARGETS if targets is None else [targets] if isinstance(targets, (str, Target)) else targets
    return with_companions(Target.parse(t) if isinstance(t, str) else t for t in chosen)


def check_losses(losses: pd.DataFrame | pd.Series[float], plan: WalkForward, *, ahead: bool = False) -> pd.DataFrame:
    """Losses as a frame, checked: dates ascending and unique, values finite or missing, enough rows for the plan.

    Raises
    ------
    DataError
        Naming the asset, the rows needed and the rows there are.
    """
    frame = losses.to_frame(losses.name or "asset") if isinstance(losses, pd.Series) else losses
    is_frame = isinstance(frame, pd.DataFrame) and isinstance(frame.index, pd.DatetimeIndex)
    got = f"{type(losses).__name__} with {type(getattr(losses, 'index', None)).__name__}"
    require(is_frame, f"losses must be a DataFrame or Series with a DatetimeIndex, got a {got}", DataError)
    require(frame.shape[1] > 0, "losses must have at least one column, got none", DataError)
    require(frame.columns.is_unique, f"losses must have different columns, got {list(frame.columns)}", DataError)
    ordered = bool(frame.index.is_monotonic_increasing and frame.index.is_unique)
    require(ordered, "losses must have ascending dates without repeats; sort them and drop repeats", DataError)
    needed = plan.window + (0 if ahead else 1)
    short = {str(c): int(frame[c].notna().sum()) for c in frame.columns if frame[c].notna().sum() < needed}
    listed = ", ".join(f"{name} has {n}" for name, n in short.items())
    require(not short, f"window {plan.window} needs at least {needed} losses per asset: {listed}", DataError)
    infinite = [str(c) for c in frame.columns if np.isinf(frame[c].to_numpy(dtype=np.float64)).any()]
    require(not infinite, f"losses must be finite, got inf in {infinite}", DataError)
    for name in frame.columns:
        _refuse_prices(str(name), frame[name].dropna().to_numpy(dtype=np.float64))
    return frame.rename(columns=str)


def _refuse_prices(name: str, values: FloatArray) -> None:
    """Prices passed as losses walk through every model without a word: they are told by their sign and size."""
    middle = float(np.median(values))
    rule = "losses must be minus the returns: some days gain, most moves are small"
    text = f"{rule}; got {name!r} all positive with median {middle:g}, like prices: use to_losses(prices)"
    require(not (values.min() > 0 and middle > 1), text, DataError)


def check_models(models: dict[str, Forecaster], targets: Sequence[Target]) -> None:
    """ConfigError for a model that offers none of the targets."""
    for label, model in models.items():
        offered = any(model.offers(t) for t in targets)
        wanted = ", ".join(t.label for t in targets)
        require(offered, f"model {label!r} offers none of the targets {wanted}")
