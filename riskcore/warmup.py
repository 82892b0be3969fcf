"""Compile the kernels beforehand: a table of small calls, with what each takes to compile.

numba keeps what it compiled beside the package, or where ``NUMBA_CACHE_DIR`` says. A stamp there tells for which
version, processor and state of the kernels the whole table has been run.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import pkgutil
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasters.base import Forecaster
    from riskcore.forecasts import Forecasts

STAMP = "riskcore-warm.json"
DAMPING = 10.0
"""Seconds that the machine is taken to have compiled at the table's pace before the first step."""
SHORT_WINDOW, N_DAYS, REFIT_EVERY = 260, 320, 60
FAMILIES = ("aparch", "figarch", "component", "beta", "rm2006")
CALLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "likelihood": ("lanes",),
        "descent": ("lanes", "likelihood"),
        "search": ("lanes", "likelihood", "descent"),
        "recursive_share": ("recursive",),
        "tail_rows": ("recursive",),
        "families": ("lanes", "likelihood", "descent"),
        "kinks": ("lanes", "likelihood", "descent"),
    }
)
"""Kernels that call those of other files."""


@dataclass(frozen=True)
class Step:
    """A small call that needs some kernels, and the seconds it takes to compile them."""

    call: Callable[[], object]
    seconds: float


@dataclass(frozen=True)
class Warmed:
    """What a step did: `compiled` kernels are new, the others were there."""

    label: str
    seconds: float
    compiled: int


def _losses() -> pd.Series[float]:
    import numpy as np
    import pandas as pd

    days = pd.date_range("2000-01-03", periods=N_DAYS, freq="B")
    return pd.Series(0.01 * np.random.default_rng(0).standard_t(5, days.size), days, name="warm-up")


def _walk(*families: str, more: Iterable[Forecaster] = ()) -> Forecasts:
    """Walk the registry's models of some names or families, and `more`; a family is what stands before a hyphen."""
    from riskcore._types import WalkForward
    from riskcore.forecasters import FORECASTERS
    from riskcore.walkforward import forecast

    models = [*(model for name, model in FORECASTERS.items() if {name, name.partition("-")[0]} & {*families}), *more]
    for model in models:
        _fit_alone(model)
    columns = _columns(models)
    return forecast(_losses(), models, None, WalkForward(SHORT_WINDOW, REFIT_EVERY), exog=columns, ahead=True)


def _columns(models: Iterable[Forecaster]) -> pd.DataFrame | None:
    """Columns for the models that read some; None where none does."""
    import numpy as np
    import pandas as pd

    from riskcore.walkforward.exogenous import names_read

    names = dict.fromkeys(name for model in models for name in names_read(model))
    days = _losses().index
    values = np.random.default_rng(1).lognormal(-9.0, 0.4, size=(len(days), len(names)))
    return pd.DataFrame(values, days, columns=list(names)) if names else None


def _filter() -> None:
    from riskcore.distributions import AgeWeighted
    from riskcore.forecasters import LocationScale
    from riskcore.volatility import EWMA

    _walk("ewma", "fhs", more=[LocationScale(volatility=EWMA(), law=AgeWeighted())])


def _families() -> Forecasts:
    from riskcore.forecasters import LocationScale
    from riskcore.volatility import ArchVolatility

    _fit_alone(LocationScale(volatility=ArchVolatility()))
    _fit_alone(LocationScale(volatility=ArchVolatility("egarch")))
    return _walk(*FAMILIES)


def _fit_alone(forecaster: Forecaster) -> None:
    """One fit and its forecasts by the definition, which a walk over many windows at once need not use."""
    import numpy as np

    from riskcore._types import Target
    from riskcore.errors import FitError

    targets = [Target.parse(text) for text in ("var:0.99", "es:0.975", "expectile:0.99")]
    offered = [target for target in targets if forecaster.offers(target)]
    losses, columns = np.asarray(_losses(), dtype=np.float64), _columns([forecaster])
    given: dict[str, Any] = {} if columns is None else {"exog": columns.to_numpy()}
    window = {name: values[:SHORT_WINDOW].copy() for name, values in given.items()}
    with contextlib.suppress(FitError):  # as the walk does
        fitted = forecaster.fit(losses[:SHORT_WINDOW].copy(), offered, **window)
        fitted.predict(losses, offered, N_DAYS - SHORT_WINDOW + 1, **given)
        fitted.predictive(losses, N_DAYS - SHORT_WINDOW + 1, **given)


def _others() -> Forecasts | None:
    """Walk the models that no other step knows."""
    from riskcore.forecasters import FORECASTERS

    left = {name.partition("-")[0] for name in FORECASTERS}
    left -= {"historical", "age", "cornish", "ewma", "fhs", "garch", "gjr", "egarch", "care", "caviar"}
    left -= {"har", "realized", "heavy", "expectile", "regime", "bayes", "al", "fz", "dynamic", *FAMILIES}
    return _walk(*left) if left else None


def _judge() -> None:
    from riskcore.compare import dm_matrix
    from riskcore.tables import backtest_table, score_table

    forecasts = _walk("historical", "ewma")
    score_table(forecasts)
    backtest_table(forecasts)
    dm_matrix(forecasts, "var:0.99")


def _regress() -> None:
    import numpy as np

    from riskcore.backtests.es_regression import esr
    from riskcore.backtests.regression import dynamic_quantile, var_quantile_regression

    losses = np.asarray(_losses(), dtype=np.float64)
    scale = np.linspace(0.5, 1.5, losses.size)
    tail = (np.array([0.01, 0.5, 0.99]), scale[:, None] * np.array([-0.03, 0.0, 0.03]))
    dynamic_quantile(losses, 0.02, 0.95, n_simulations=9)
    var_quantile_regression(losses, 0.02 * scale, 0.95, tail=tail, n_simulations=99)
    esr(losses, 0.02 * scale, 0.03 * scale, 0.95, form="intercept", tail=tail, n_simulations=99)
    esr(losses, 0.02 * scale, 0.03 * scale, 0.95, p_value="bootstrap", n_simulations=9)


def _compare_many() -> None:
    from riskcore.backtests.hit_panel import coverage_panel
    from riskcore.compare import decompose, model_confidence_set, superior_predictive_ability

    scores = _losses().to_numpy().reshape(-1, 4)
    coverage_panel(scores, 0.01, 0.99)
    model_confidence_set(scores, n_simulations=9)
    superior_predictive_ability(scores[:, 0], scores[:, 1:], n_simulations=9)
    law = ([0.1, 0.5, 0.9], [[-0.01, 0.0, 0.01]] * len(scores))
    for measure in ("var", "expectile"):
        decompose(scores[:, 0], scores[:, 1], 0.99, measure=measure, tail=law, n_simulations=9)


def _roll() -> None:
    from riskcore.measures.rolling import rolling_measures

    targets = ("var:0.99", "es:0.975", "expectile:0.99")
    rolling_measures(_losses(), targets, SHORT_WINDOW)
    rolling_measures(_losses(), targets, SHORT_WINDOW, decay=0.99)


def _average() -> None:
    from riskcore.indicators import ema

    ema(_losses(), span=20.0)
    ema(_losses().to_numpy().reshape(2, -1).T, span=20.0)
    ema(_losses().to_frame(), span=[20.0, 60.0], start="mean")
    ema(_losses(), span=20.0, bias_corrected=True)


def _recursive_tails() -> None:
    """Walk recursive CAViaR at a level that the short window allows, and its own kernels' paths."""
    import numpy as np

    from riskcore._types import Target, WalkForward
    from riskcore.forecasters import CARE, CAViaR
    from riskcore.kernels import adaptive, recursive
    from riskcore.walkforward import forecast

    targets = [Target("var", 0.95), Target("es", 0.95)]
    models: list[Forecaster] = [CARE("as"), CAViaR("as", "additive"), CAViaR("adaptive")]
    losses = np.array(_losses(), dtype=np.float64)  # one that may be written to, as the walk's are
    for model in models:
        model.fit(losses, targets)
    forecast(_losses(), models, targets, WalkForward(SHORT_WINDOW, REFIT_EVERY), ahead=True)
    recursive.tail_path(losses, recursive.AS, np.zeros(4), 0.02)
    adaptive.adaptive_path(losses, 0.99, 10.0, 0.1, 0.02)


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "rolling measures": Step(_roll, 10.0),
        "historical simulation": Step(lambda: _walk("historical", "age"), 5.0),
        "EWMA": Step(_filter, 4.0),
        "GARCH and GJR": Step(lambda: _walk("garch", "gjr"), 30.0),
        "EGARCH": Step(lambda: _walk("egarch"), 2.0),
        "laws of the residuals": Step(lambda: _walk("cornish"), 4.0),
        "APARCH, FIGARCH, components, Beta-t": Step(_families, 12.0),
        "CARE": Step(lambda: _walk("care-linear"), 23.0),
        "realized volatilities": Step(lambda: _walk("har", "realized", "heavy", "expectile"), 4.0),
        "recursive tails": Step(_recursive_tails, 14.0),
        "Markov regimes": Step(lambda: _walk("regime"), 12.0),
        "Bayesian expectiles": Step(lambda: _walk("bayes"), 2.0),
        "joint VaR and ES": Step(lambda: _walk("al", "fz", "dynamic"), 24.0),
        "other models": Step(_others, 0.0),
        "scores and backtests": Step(_judge, 10.0),
        "regressions of VaR and ES": Step(_regress, 8.0),
        "many series, many models": Step(_compare_many, 5.0),
        "moving averages": Step(_average, 1.5),
    }
)


def kernel_functions() -> dict[str, Any]:
    """Every compiled function of the kernels by name, as ``garch.cost``; importing them compiles nothing."""
    from numba.core.dispatcher import Dispatcher

    from riskcore import kernels

    found = {}
    for module in pkgutil.iter_modules(kernels.__path__):
        room = importlib.import_module(f"{kernels.__name__}.{module.name}")
        for name, thing in vars(room).items():
            if isinstance(thing, Dispatcher) and thing.__module__ == room.__name__:
                found[f"{module.name}.{name}"] = thing
    return found


def warm(progress: Callable[[str, int, float], None] | None = None) -> list[Warmed]:
    """Run the table; `progress` is called before each step with its label, its number and the seconds left."""
    drop_stale()
    functions = kernel_functions()

    def misses() -> int:
        return sum(sum(f.stats.cache_misses.values()) for f in functions.values())

    done: list[Warmed] = []
    left, spent, meant = expected_seconds(), DAMPING, DAMPING
    for number, (label, step) in enumerate(STEPS.items(), start=1):
        if progress is not None:
            progress(label, number, left * spent / meant)
        before, start = misses(), time.perf_counter()
        step.call()
        done.append(Warmed(label, time.perf_counter() - start, misses() - before))
        left -= step.seconds
        if done[-1].compiled:
            spent, meant = spent + done[-1].seconds, meant + step.seconds
    _write_stamp({"key": _key(), "warm": True})
    return done


def expected_seconds() -> float:
    """Seconds that compiling everything takes, as measured on a processor of 2025; a slow one takes three times that.

    >>> 0 < expected_seconds() < 600
    True
    """
    return sum(step.seconds for step in STEPS.values())


def is_warm() -> bool:
    """Whether the whole table has been run with this version, processor and state of the kernels."""
    stamp = _read_stamp()
    return stamp.get("key") == _key() and bool(stamp.get("warm"))


def first_use() -> bool:
    """True once where the kernels have not been compiled: somebody who runs models now should be told."""
    key = _key()
    if _read_stamp().get("key") == key:
        return False
    drop_stale()
    _write_stamp({"key": key, "warm": False})
    return True


def drop_stale() -> None:
    """Forget compiled kernels that are older than the source of one they call: numba looks at their own file only."""
    from riskcore import kernels

    sources = Path(kernels.__path__[0])
    for caller, called in CALLS.items():
        newest = max((sources / f"{name}.py").stat().st_mtime_ns for name in called)
        for index in cache_folder().glob(f"{caller}.*.nbi"):
            with contextlib.suppress(OSError):  # another process was quicker, or the cache is not ours to change
                if index.stat().st_mtime_ns < newest:
                    index.unlink()


def cache_folder() -> Path:
    """Where numba keeps the compiled kernels."""
    return Path(str(next(iter(kernel_functions().values())).stats.cache_path))


def _key() -> str:
    """What compiled kernels depend on: versions, processor, and the kernels' files as numba looks at them."""
    import numba
    from llvmlite import binding

    from riskcore import __version__, kernels

    files = sorted(Path(kernels.__path__[0]).glob("*.py"))
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    parts = (__version__, numba.__version__, platform.python_version(), binding.get_host_cpu_name(), states)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _read_stamp() -> dict[str, Any]:
    try:
        found = json.loads((cache_folder() / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_stamp(stamp: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written is told of at each run
        cache_folder().mkdir(parents=True, exist_ok=True)
        (cache_folder() / STAMP).write_text(json.dumps(dict(stamp)), encoding="utf-8")
