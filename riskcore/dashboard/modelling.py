"""The Modelling page's own logic: the form made from the registries, fits in a cache, tables of `[model.<name>]`."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import streamlit as st

from riskcore import defaults
from riskcore._types import Measure, Target
from riskcore.dashboard import state, widgets
from riskcore.dashboard.sources import Dataset
from riskcore.dashboard.wording import target_of, target_words
from riskcore.dashboard.workspace import Workspace
from riskcore.diagnostics import ModelFit, fit_model
from riskcore.distributions import LAWS
from riskcore.errors import RiskcoreError, require
from riskcore.forecasters import FORECASTERS, TAIL_MODELS, Forecaster, LocationScale
from riskcore.plots.style import target_text
from riskcore.runs.catalogue import without_exog
from riskcore.runs.config import define_model
from riskcore.runs.store import atomic_write, canonical
from riskcore.runs.toml import to_toml
from riskcore.volatility import MEANS, VOLATILITIES
from riskcore.volatility.exogenous import exog_names

Table = Mapping[str, Any]
"""A table ``[model.<name>]`` of a run file, as `riskcore.runs.config.define_model` reads it."""

MOST = 4
"""Models side by side."""
REMEMBERED = "modelling.json"
"""In an owner's folder: the models that they looked at last."""
SHORT, BUILD, DIRECT = "by short name", "mean × volatility × law", "direct tail model"
USUAL = "as usual"
EMPTY: Mapping[str, str] = {"level": "all levels", "gain": "chosen from a grid"}
"""What an empty number means, by the parameter's name; all others are estimated then."""
TAIL_WORDS: Mapping[str, str] = {
    "care": "CARE: the expectile itself, modelled on the losses before; VaR and ES follow by their levels.",
    "caviar": "CAViaR: the VaR itself, modelled on yesterday's VaR and loss; the ES stands on it.",
    "expectile-regression": "The expectile on regressors of one's choice; averages and columns are set in a run file.",
    "bayes-expectile": "The expectile on yesterday's loss, with the posterior mean of its coefficients.",
    "regime": "Two or three regimes and a hidden chain between them; measures of the mixture.",
    "al-var-es": "VaR by a recursion with its ES, both of least joint score.",
    "fz-gas": "VaR and ES driven by their own joint score.",
    "dynamic-level": "The expectile at a level that moves with the volatility and the last loss; judged as a VaR.",
}
LEVELS: tuple[str, ...] = (
    "var:0.95", "var:0.975", "var:0.99", "var:0.995", "es:0.95", "es:0.975", "es:0.99",
    "expectile:0.95", "expectile:0.9876", "expectile:0.99", "expectile:0.99855",
)  # fmt: skip
KEY = "rc.w.modelling"


@dataclass(frozen=True)
class Asked:
    """What the form asks for: a short name (`table` is None) or a model of one's own, on a window, for targets."""

    name: str
    table: Table | None
    window: int
    targets: tuple[str, ...]

    def forecaster(self) -> Forecaster:
        """The model; ConfigError for a value outside its range."""
        return FORECASTERS[self.name] if self.table is None else define_model(self.name, self.table)


def form(dataset: Dataset, asset: str) -> Asked | None:
    """The form; what it asks for on the run after a press of its button, else None."""
    kind = st.segmented_control(
        "Choose or build a model", [SHORT, BUILD, DIRECT], default=SHORT, required=True, key=f"{KEY}.kind",
        persist_state="session", format_func=widgets.readable,
    )  # fmt: skip
    parts = _parts(str(kind))
    with st.popover("What it is", icon=":material/help:"), widgets.errors_shown():
        widgets.model_cards(*_usual_settings(parts))
    last: Asked | None = state.get("modelling_before", None)
    with st.form(f"{KEY}.form"):
        table = None if kind == SHORT else _table(parts)
        left, right = st.columns([1, 2])
        n_losses = int(dataset.losses[asset].notna().sum())
        window = left.number_input(
            "Window", value=min(last.window if last else defaults.WINDOW, n_losses), step=50, key=f"{KEY}.window",
            persist_state="session", help=f"The model is fitted to the last so many losses; there are {n_losses:,}.",
        )  # fmt: skip
        usual = last.targets if last else defaults.TARGETS
        targets = right.multiselect(
            "Risk figures", list(dict.fromkeys([*LEVELS, *usual])), default=list(usual),
            format_func=target_words, accept_new_options=True, key=f"{KEY}.targets", persist_state="session",
            help="A measure and its level; type another one as var:0.999. An ES brings the VaR at its level.",
        )  # fmt: skip
        name = ""
        if table is not None:
            name = st.text_input(
                "Name", key=f"{KEY}.name", placeholder="made from the parts if left empty", max_chars=60
            )
        pressed = st.form_submit_button("Fit", type="primary", icon=":material/function:")
    if not pressed:
        return None
    require(bool(targets), "targets must name at least one target, got none")
    settings = (int(window), tuple(target_of(str(t)) for t in targets))
    asked = Asked(parts["model"], None, *settings) if table is None else _own(name.strip(), table, *settings)
    _offers_some(asked)
    return asked


def _offers_some(asked: Asked) -> None:
    """ConfigError, in words of the page, where the model offers none of the figures."""
    model = asked.forecaster()
    known = any(model.offers(Target.parse(t)) for t in asked.targets)
    wanted = ", ".join(target_words(t) for t in asked.targets)
    require(
        known, f"{asked.name} offers none of the risk figures {wanted}; it offers {offered_words(model)}: choose these"
    )


def offered_words(model: Forecaster) -> str:
    """Which figures a model offers, in words of the page.

    >>> offered_words(FORECASTERS["caviar-sav"])
    'VaR at any level, ES at any level'
    """
    own = getattr(model, "level", None)
    words = []
    names: Mapping[Measure, str] = {"var": "VaR", "es": "ES", "expectile": "expectile VaR"}
    for measure, name in names.items():
        levels = dict.fromkeys([*([] if own is None else [own]), *(Target.parse(t).level for t in LEVELS)])
        found = [x for x in levels if model.offers(Target(measure, x))]
        if len(found) == len(levels):
            words.append(f"{name} at any level")
        else:
            words += [target_text(measure, x) for x in found]
    return ", ".join(words)


def _parts(kind: str) -> dict[str, str]:
    """The chosen entries of the registries. Outside of the form: its inputs depend on them."""
    if kind == SHORT:
        names = without_exog()  # the page has losses only
        last: Asked | None = state.get("modelling_before", None)
        usual = last.name if last and last.name in names else "garch-t"
        return {"model": _choice(st, "Short name", names, "model", names.index(usual))}
    if kind == DIRECT:
        kind = _choice(st, "Model", list(TAIL_MODELS), "tail")
        st.caption(TAIL_WORDS.get(kind, ""))
        return {"kind": kind}
    columns = st.columns(3)
    return {
        "mean": _choice(columns[0], "Mean", [USUAL, *_alone(MEANS)], "mean"),
        "volatility": _choice(columns[1], "Volatility", _alone(VOLATILITIES), "volatility", 2),
        "law": _choice(columns[2], "Law", list(LAWS), "law", 1),
    }


def _usual_settings(parts: Mapping[str, str]) -> tuple[str, str]:
    """Settings of the chosen parts as they are by default, and the registry's name where they have one."""
    if "model" in parts:
        return repr(FORECASTERS[parts["model"]]), parts["model"]
    if "kind" in parts:
        return repr(TAIL_MODELS[parts["kind"]]), parts["kind"]
    return repr(LocationScale(volatility=VOLATILITIES[parts["volatility"]], law=LAWS[parts["law"]])), ""


def _alone(registry: Mapping[str, object]) -> list[str]:
    """Entries that need nothing but losses."""
    return [name for name, part in registry.items() if not exog_names(part)]


def _choice(place: Any, label: str, options: Sequence[str], part: str, index: int = 0) -> str:
    return str(place.selectbox(label, options, index=index, key=f"{KEY}.{part}", persist_state="session"))


def _table(parts: Mapping[str, str]) -> Table:
    """The table that the chosen parts and the inputs of their parameters give; what is as usual is left out."""
    if "kind" in parts:
        kind = parts["kind"]
        return {"kind": kind, **_inputs(TAIL_MODELS[kind], kind)}
    registries: Mapping[str, Mapping[str, Any]] = {"mean": MEANS, "volatility": VOLATILITIES, "law": LAWS}
    table: dict[str, Any] = {}
    for place, (key, chosen) in zip(st.columns(3), parts.items(), strict=True):
        if chosen == USUAL:
            continue
        with place:
            given = _inputs(registries[key][chosen], f"{key}.{chosen}")
        table[key] = {"kind": chosen, **given} if given else chosen
    return table


def _inputs(part: Any, where: str) -> dict[str, Any]:
    """An input for each parameter of a part; those that differ from the registry's entry, by name."""
    hints, found = get_type_hints(type(part)), {}
    for field in (f for f in fields(part) if f.init and f.name not in ("name", "kind")):  # a kind is an entry by itself
        usual, key = getattr(part, field.name), f"{KEY}.{where}.{field.name}"
        label, text = f"{where.split('.')[-1]}: {field.name.replace('_', ' ')}", parameter_help(type(part), field.name)
        options = _literals(hints[field.name])
        if not options and not isinstance(usual, (int, float, NoneType)):
            continue  # names, lists and parts, such as the lags of a HAR, are set in a run file
        value: Any
        if isinstance(usual, bool):
            value = st.checkbox(label, usual, key=key, help=text, persist_state="session")
        elif options:
            value = st.selectbox(
                label, options, index=options.index(usual), key=key, help=text, persist_state="session"
            )
        else:
            whole = isinstance(usual, int) or hints[field.name] is int
            value = st.number_input(
                label, value=usual, step=1 if whole else 0.01, format="%d" if whole else "%g", key=key, help=text,
                placeholder=EMPTY.get(field.name, "estimated"), persist_state="session",
            )  # fmt: skip
        if value is not None and value != usual:
            found[field.name] = value
    return found


def _literals(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) is Literal else []


def parameter_help(part: type, name: str) -> str:
    """What the docstring of a part says of a parameter, as markdown.

    >>> from riskcore.distributions import StudentT
    >>> parameter_help(StudentT, "nu")
    'Degrees of freedom, above 2; None: estimated. Typical values for daily losses: 3 to 10.'
    """
    text = inspect.getdoc(part) or ""
    found = re.search(rf"^{re.escape(name)} : .*\n((?:    .*\n?)+)", text, flags=re.MULTILINE)
    said = " ".join(line.strip() for line in found.group(1).splitlines()) if found else ""
    return re.sub(r":math:`([^`]*)`", r"$\1$", said)


def _own(name: str, table: Table, window: int, targets: tuple[str, ...]) -> Asked:
    """A model of one's own; one that equals an entry of the registry takes its short name."""
    require(
        name not in FORECASTERS,
        f"name must not be a model's short name, got {name!r}; leave it empty or choose another",
    )
    label = name or suggested_name(table)
    plain = replace(define_model(label, table), name=None)  # type: ignore[type-var]  # all are dataclasses
    short = next((key for key, known in FORECASTERS.items() if known == plain), None)
    return Asked(short, None, window, targets) if short and not name else Asked(label, table, window, targets)


def suggested_name(table: Table) -> str:
    """A name for a table, made from its parts and what is set of them.

    >>> suggested_name({"mean": "ar1", "volatility": "gjr", "law": {"kind": "t", "nu": 4.0}})
    'ar1-gjr-t-nu4'
    """
    words = []
    for key, value in table.items():
        part = (
            value
            if isinstance(value, dict)
            else {"kind": value}
            if key in ("mean", "volatility", "law")
            else {key: value}
        )
        words += [
            str(x) if k == "kind" else f"{k}{x:g}" if isinstance(x, (int, float)) else str(x) for k, x in part.items()
        ]
    return "-".join(words)


def run_file(asked: Asked) -> str:
    """The same model as a file for ``riskcore backtest FILE --config run.toml``.

    >>> print(run_file(Asked("mine", {"volatility": "garch", "law": {"kind": "t", "nu": 4.0}}, 500, ("var:0.99",))))
    models = ["mine"]
    targets = ["var:0.99"]
    window = 500
    <BLANKLINE>
    [model.mine]
    volatility = "garch"
    law = {kind = "t", nu = 4.0}
    <BLANKLINE>
    """
    tables = {} if asked.table is None else {"model": {asked.name: asked.table}}
    return to_toml({"models": [asked.name], "targets": list(asked.targets), "window": asked.window, **tables})


def models() -> tuple[Asked, ...]:
    """The models that the session looks at, oldest first, all on the window and targets of the last press."""
    kept: tuple[Asked, ...] = state.get("modelling", ())
    return kept


def keep(asked: Asked) -> str | None:
    """Look at one more model; the name of the one that had to go for it, if any did."""
    others = [replace(m, window=asked.window, targets=asked.targets) for m in models() if m.name != asked.name]
    gone = others[0].name if len(others) >= MOST else None
    _look_at((*others[-(MOST - 1) :], asked))
    return gone


def forget(name: str) -> None:
    """Look at one model less."""
    _look_at(tuple(m for m in models() if m.name != name))


def restore(dataset: Dataset, asset: str) -> None:
    """At a session's first look: the models that this browser looked at last, as far as these losses allow them.

    The fits are made again.
    """
    if state.get("modelling", None) is None:
        n_losses = int(dataset.losses[asset].notna().sum())
        known = tuple(m for m in _remembered(state.workspace()) if m.window <= n_losses)
        state.put("modelling", known)
        state.put("modelling_before", known[-1] if known else None)


def _look_at(chosen: tuple[Asked, ...]) -> None:
    """Look at these models, and write them down for the browser's next session; a full disc is no fault."""
    state.put("modelling", chosen)
    folder = state.workspace().root
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic_write(folder / REMEMBERED, canonical([asdict(m) for m in chosen]))


def _remembered(workspace: Workspace) -> tuple[Asked, ...]:
    """The models written down; none if the file is missing, damaged or of models that are none any more."""
    try:
        rows = json.loads((workspace.root / REMEMBERED).read_bytes())
        found = [Asked(str(r["name"]), r["table"], int(r["window"]), tuple(map(str, r["targets"]))) for r in rows]
        for each in found:
            each.forecaster()
        return tuple(found[-MOST:])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RiskcoreError):
        return ()


def fitted(dataset: Dataset, asset: str, asked: Asked) -> ModelFit:
    """The fit, through the session's cache; raises as `riskcore.fit_model`."""
    return _fitted(dataset.digest, asset, settings_text(asked), dataset, asked)


def settings_text(asked: Asked) -> str:
    """Text that changes when anything of the model, its window or its targets does; ConfigError as `forecaster`."""
    return repr((asked.name, asked.forecaster(), asked.window, asked.targets))


@st.cache_data(scope="session", max_entries=24, show_spinner="Fitting the model")
def _fitted(digest: str, asset: str, settings: str, _dataset: Dataset, _asked: Asked) -> ModelFit:
    chosen = _asked.name if _asked.table is None else _asked.forecaster()
    return fit_model(_dataset.losses[asset], chosen, _asked.targets, window=_asked.window)


def add_to_backtest(asked: Asked) -> None:
    """Offer the model on Backtest review; a short name is offered there already."""
    if asked.table is not None:
        state.put("candidates", {**_candidates(), asked.name: dict(asked.table)})


def _candidates() -> dict[str, Table]:
    """Models of one's own that Backtest review offers, by name."""
    found: dict[str, Table] = state.get("candidates", {})
    return found


def named(name: str) -> Asked:
    """One of the models that the session looks at."""
    return next(m for m in models() if m.name == name)


def look_at(names: Sequence[str]) -> str:
    """The model to look at, by default the newest, with a button to take it away."""
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    # the key changes with the models, so that the newest is chosen after each fit
    key = f"{KEY}.look.{len(names)}.{names[-1]}"
    chosen = str(left.selectbox("Model looked at", names, index=len(names) - 1, key=key))
    right.button(
        "Remove", on_click=forget, args=(chosen,), key=f"{KEY}.remove", icon=":material/delete:", width="stretch"
    )
    return chosen


def hand_over(asked: Asked) -> None:
    """The way on: the model to Backtest review, and as a run file for the command line."""
    st.subheader("Backtest this model", anchor=False)
    if asked.table is None:
        st.caption("Backtest review offers this model by its short name.")
    elif _candidates().get(asked.name) == asked.table:
        st.caption("Added: Backtest review offers this model by its name.")
    else:
        icon = ":material/playlist_add:"
        st.button("Add to the backtest", on_click=add_to_backtest, args=(asked,), key=f"{KEY}.add", icon=icon)
    st.page_link("pages/review.py", label="Go to Backtest review", icon=":material/fact_check:")
    with st.expander("The same model in a run file"):
        st.caption("Save it as run.toml, then: riskcore backtest PRICES --config run.toml --out RUN")
        st.code(run_file(asked), language="toml")
