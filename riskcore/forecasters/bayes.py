"""Bayesian expectile regression: a posterior of the coefficients, and the same with the spread of the sandwich."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from riskcore._types import FloatArray, Status, Target
from riskcore.errors import ConfigError, FitError, require
from riskcore.forecasters.base import Fitted, Predictive
from riskcore.forecasters.regression import expectile_regression

Proposal = Literal["mixed", "independence", "random-walk"]
PROPOSALS: tuple[Proposal, ...] = ("mixed", "independence", "random-walk")
DRAWS, BURN_IN = 4000, 200
FREEDOM = 5.0
"""Degrees of freedom of the independent proposals: their tails are heavier than the posterior's."""
LEAST_ROWS = 30


@dataclass(frozen=True, eq=False)
class BayesianExpectileRegression:
    """Draws from the posterior of an expectile regression's coefficients, in the units of the data.

    Attributes
    ----------
    level : float
        Level of the expectile.
    coefficients : array, shape (k,)
        Posterior mean.
    least_squares : array, shape (k,)
        The asymmetric least squares fit.
    draws, rescaled : array, shape (draws, k)
        Draws of the working posterior, and the same moved so that their covariance is the sandwich's.
    scales, prior_variances : array, shape (draws,)
        Draws of the working likelihood's scale, in the units of the response, and of the coefficients' prior variance,
        in scaled units.
    acceptance : float
        Share of proposals that were accepted.
    effective_size : array, shape (k,)
        How many independent draws the chain is worth, for each coefficient.
    seed : int, optional
        Entropy of the generator, where it has one.
    """

    level: float
    coefficients: FloatArray
    least_squares: FloatArray
    draws: FloatArray = field(repr=False)
    rescaled: FloatArray = field(repr=False)
    scales: FloatArray = field(repr=False)
    prior_variances: FloatArray = field(repr=False)
    acceptance: float
    effective_size: FloatArray
    seed: int | None

    @property
    def raw_errors(self) -> FloatArray:
        """Posterior standard deviations; those of a working likelihood that is wrong by design."""
        return np.asarray(self.draws.std(axis=0, ddof=1))

    @property
    def errors(self) -> FloatArray:
        """Standard deviations of the rescaled draws: the sandwich's."""
        return np.asarray(self.rescaled.std(axis=0, ddof=1))

    def intervals(self, share: float = 0.95, *, rescaled: bool = True) -> FloatArray:
        """Equal-tailed intervals (k, 2) that hold `share` of the draws of each coefficient."""
        return np.asarray(np.quantile(self._chosen(rescaled), _ends(share), axis=0).T)

    def forecast_draws(self, regressors: FloatArray, *, rescaled: bool = True) -> FloatArray:
        """Draws (m, draws) of the expectile at `m` rows of regressors."""
        return np.asarray(np.atleast_2d(regressors) @ self._chosen(rescaled).T)

    def band(self, regressors: FloatArray, share: float = 0.95, *, rescaled: bool = True) -> FloatArray:
        """Interval (m, 2) of the expectile at `m` rows of regressors: of the expectile, not of the loss."""
        return np.asarray(np.quantile(self.forecast_draws(regressors, rescaled=rescaled), _ends(share), axis=1).T)

    def _chosen(self, rescaled: bool) -> FloatArray:
        return self.rescaled if rescaled else self.draws


def _ends(share: float) -> list[float]:
    require(0.0 < share < 1.0, f"share must lie in (0, 1), got {share!r}; typical value: 0.95")
    return [0.5 * (1.0 - share), 0.5 * (1.0 + share)]


def bayesian_expectile_regression(
    response: FloatArray,
    design: FloatArray,
    level: float,
    *,
    rng: np.random.Generator | None = None,
    draws: int = DRAWS,
    burn_in: int = BURN_IN,
    prior_shape: float = 2.0,
    prior_rate: float = 10.0,
    proposal: Proposal = "mixed",
) -> BayesianExpectileRegression:
    r"""Posterior of an expectile regression under the asymmetric normal working likelihood.

    .. math:: f(u) \propto \frac1s \exp\left(-|\tau - 1\{u \le 0\}| \frac{u^2}{s^2}\right), \quad
              \beta \sim N(0, \sigma_\beta^2 I), \quad \sigma_\beta^2 \sim InvGamma(a, b), \quad p(s^2) \propto 1/s^2

    The priors are those of scaled data: the response over its standard deviation, each regressor over its root mean
    square. Coefficients move by Metropolis from the asymmetric least squares fit, the two variances by their
    conditional laws.

    The working likelihood is not the law of the data, so the posterior's own spread says little of the error of the
    coefficients. `rescaled` draws are :math:`\hat\beta + S^{1/2} C^{-1/2} (\beta - \hat\beta)` with
    :math:`\hat\beta` the least squares fit, C the covariance of the draws and S the sandwich
    :math:`D^{-1}VD^{-1}/n`: an affine map after which their covariance is S itself. That helps as far as the sandwich
    does: in the far tail it is too short too, see the notes on methods for measured coverage.

    Parameters
    ----------
    response : array, shape (n,)
        Losses.
    design : array, shape (n, k)
        Regressors, a column of ones among them where a constant is wanted.
    level : float
        :math:`\tau` in (0, 1), a choice: data say nothing of it, so there is no prior on it.
    rng : Generator, optional
        By default ``numpy.random.default_rng(0)``.
    draws, burn_in : int
        Draws kept, and those before them that are not.
    prior_shape, prior_rate : float
        a and b, both positive.
    proposal : {"mixed", "independence", "random-walk"}
        Proposals round the least squares fit (t with 5 degrees of freedom), from the last point, or both in turn: the
        first kind moves far, and in the far tail, where the posterior is not close to a normal law, stands still.

    Returns
    -------
    BayesianExpectileRegression
        Draws, intervals raw and rescaled, acceptance and effective sizes.

    Raises
    ------
    ConfigError
        If shapes differ, a value is not finite, or a setting lies outside its range.
    FitError
        If the design has less than full rank, or the fit meets every loss.

    References
    ----------
    Waldmann, Sobotka & Kneib (2017), Bayesian regularisation in geoadditive expectile regression, Statistics and
    Computing 27, 1539-1553. Shaby (2014), The open-faced sandwich adjustment for MCMC using estimating functions,
    Journal of Computational and Graphical Statistics 23, 853-876. Newey & Powell (1987), Econometrica 55, 819-847.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = np.column_stack([np.ones(400), rng.normal(size=400)])
    >>> y = x @ [1.0, 0.5] + rng.normal(size=400)
    >>> found = bayesian_expectile_regression(y, x, 0.9, rng=np.random.default_rng(2), draws=2000)
    >>> found.draws.shape, found.intervals(0.95).shape, found.band([1.0, 2.0]).shape
    ((2000, 2), (2, 2), (1, 2))
    """
    from riskcore.kernels.metropolis import chain

    for name, value in (("prior_shape", prior_shape), ("prior_rate", prior_rate)):
        require(value > 0.0 and math.isfinite(value), f"{name} must be positive, got {value!r}")
    for name, count, least in (("draws", draws, 100), ("burn_in", burn_in, 0)):
        ok = isinstance(count, (int, np.integer)) and count >= least
        require(ok, f"{name} must be a whole number of at least {least}, got {count!r}")
    require(proposal in PROPOSALS, f"proposal must be one of {PROPOSALS}, got {proposal!r}")
    matched = design.ndim == 2 and design.shape[0] == response.size
    require(matched, f"design must have {response.size} rows, got shape {design.shape}", ConfigError)
    generator = np.random.default_rng(0) if rng is None else rng
    unit = float(response.std())
    units = np.sqrt(np.mean(design**2, axis=0))
    varied = unit > 0.0 and bool((units > 0.0).all())
    require(varied or not math.isfinite(unit), "response and regressors must not be constant at one value", FitError)
    y, x = response / unit, design / units
    mode = expectile_regression(y, x, level).coefficients  # checks what is left
    sandwich, working = _covariances(y, x, level, mode)
    n, k = x.shape
    total = draws + burn_in
    turns = {"mixed": np.arange(total) % 2 == 0}
    independent = turns.get(proposal, np.full(total, proposal == "independence"))
    heavy = np.sqrt(FREEDOM / generator.chisquare(FREEDOM, total))
    points, scales, spreads = np.empty((total, k)), np.empty(total), np.empty(total)
    moves = chain(
        y, np.ascontiguousarray(x.T), float(level), mode, np.linalg.cholesky(working).astype(np.float64),
        generator.standard_normal((total, k)), np.where(independent, heavy, 2.38 / math.sqrt(k)), independent, FREEDOM,
        np.log(generator.random(total)), generator.standard_gamma(0.5 * n, total),
        generator.standard_gamma(prior_shape + 0.5 * k, total), prior_rate, points, scales, spreads,
    )  # fmt: skip
    kept = points[burn_in:]
    covariance = np.atleast_2d(np.cov(kept, rowvar=False))
    moved = moves > 0 and bool((np.diag(covariance) > 0.0).all())
    require(moved, f"none of {total} proposals was accepted: the posterior is far from its working form", FitError)
    turn = _root(sandwich) @ np.linalg.inv(_root(covariance))
    back = unit / units
    return BayesianExpectileRegression(
        level=float(level),
        coefficients=kept.mean(axis=0) * back,
        least_squares=mode * back,
        draws=kept * back,
        rescaled=(mode + (kept - mode) @ turn.T) * back,
        scales=np.sqrt(scales[burn_in:]) * unit,
        prior_variances=spreads[burn_in:],
        acceptance=moves / total,
        effective_size=np.array([effective_size(column) for column in kept.T]),
        seed=_entropy(generator),
    )


def _covariances(y: FloatArray, x: FloatArray, level: float, mode: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sandwich covariance, and that of the working posterior under a flat prior at its mode."""
    residual = y - x @ mode
    weight = np.where(residual > 0.0, level, 1.0 - level)
    bread = np.linalg.inv(x.T @ (weight[:, None] * x))
    scores = (weight * residual)[:, None] * x
    squares = float(np.sum(weight * residual**2))
    require(squares > 1e-20 * y.size, "the fit must leave residuals, got none: more losses are needed", FitError)
    return np.asarray(bread @ (scores.T @ scores) @ bread), np.asarray(squares / y.size * bread, dtype=np.float64)


def _root(matrix: FloatArray) -> FloatArray:
    """Symmetric square root of a covariance; FitError where it has none."""
    values, vectors = np.linalg.eigh(matrix)
    require(bool(values.min() > 0.0), "covariance of the coefficients must be positive definite", FitError)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def _entropy(generator: np.random.Generator) -> int | None:
    found = getattr(getattr(generator.bit_generator, "seed_seq", None), "entropy", None)
    return found if isinstance(found, int) else None


def effective_size(draws: FloatArray) -> float:
    r"""Effective sample size of a chain, :math:`n / (1 + 2\sum_k \rho_k)`, by Geyer's initial positive sequence.

    Parameters
    ----------
    draws : array, shape (n,)
        A chain, at least 4 long.

    Returns
    -------
    float
        At most n, NaN for a chain that does not move.

    References
    ----------
    Geyer (1992), Practical Markov chain Monte Carlo, Statistical Science 7, 473-483.

    Examples
    --------
    >>> round(effective_size(np.random.default_rng(0).normal(size=2000)), -2)
    2000.0
    """
    n = draws.size
    require(n >= 4, f"draws must have at least 4 entries, got {n}")
    centred = draws - draws.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    autocovariance = np.fft.irfft(spectrum)[:n]
    if not autocovariance[0] > 0.0:
        return float("nan")
    rho = autocovariance / autocovariance[0]
    pairs = rho[0 : n - 1 : 2][: n // 2] + rho[1::2][: n // 2]
    negative = np.flatnonzero(pairs <= 0.0)
    kept = np.minimum.accumulate(pairs[: negative[0] if negative.size else pairs.size])
    return float(min(n, n / max(2.0 * kept.sum() - 1.0, 1.0 / n)))


@dataclass(frozen=True)
class BayesExpectile:
    r"""Expectile VaR by Bayesian regression on yesterday's loss, with a band.

    .. math:: m_t = c_0 + c_1 L_{t-1} + c_2 (L_{t-1}^-)^2 + c_3 (L_{t-1}^+)^2

    The equation is that of linear CARE, and the forecast the posterior mean. What the posterior adds is
    `FittedBayesExpectile.band`: how far the expectile itself is known. Draws come from a generator seeded by the
    settings and the level, so they are the same for every window and run.

    Parameters
    ----------
    draws : int
        Random draws from the posterior, at least 100: more of them make the forecast steadier and the fit slower.
        Typical values: 1000 to 5000.
    prior_shape : float
        Before the losses are seen, coefficients are held to lie around zero with a variance that is itself unknown:
        this is the shape of that variance's inverse gamma law. The larger it is, the surer the variance is held to be
        near rate / shape. Typical value: 2.
    prior_rate : float
        The rate of the same law: a smaller one draws the coefficients closer to zero. Losses are scaled to a standard
        deviation of one first. Typical value: 10.
    seed : int
        Starts the random numbers: another whole number gives other draws of the same posterior. Forecasts that change
        visibly with it need more draws.
    name : str, optional
        Label of the model.

    References
    ----------
    Kuan, Yeh & Hsu (2009), Journal of Econometrics 150, 261-270, for the equation; see
    `bayesian_expectile_regression` for the posterior.

    Examples
    --------
    >>> BayesExpectile().offers(Target("expectile", 0.99)), BayesExpectile().offers(Target("var", 0.99))
    (True, False)
    """

    draws: int = 2000
    prior_shape: float = 2.0
    prior_rate: float = 10.0
    seed: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        for name in ("prior_shape", "prior_rate"):
            value = getattr(self, name)
            require(value > 0.0 and math.isfinite(value), f"{name} must be positive, got {value!r}")
        require(self.draws >= 100, f"draws must be a whole number of at least 100, got {self.draws!r}")

    def offers(self, target: Target) -> bool:
        """Expectiles."""
        return target.measure == "expectile"

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedBayesExpectile:
        """A chain for each expectile; FitError for constant losses or too few. `start` is not used."""
        require(losses.size > LEAST_ROWS, f"losses must have more than {LEAST_ROWS} rows, got {losses.size}", FitError)
        require(bool(np.isfinite(losses).all()), "losses must be finite, got NaN or inf", FitError)
        design = regressors(losses[:-1])
        found = {}
        for target in targets:
            if self.offers(target):
                found[target] = bayesian_expectile_regression(
                    losses[1:], design, target.level, rng=self.generator(target), draws=self.draws,
                    prior_shape=self.prior_shape, prior_rate=self.prior_rate,
                )  # fmt: skip
        return FittedBayesExpectile(self, found)

    def generator(self, target: Target) -> np.random.Generator:
        """The generator of a target's chain: a function of the settings and the target alone."""
        text = repr((replace(self, name=None), target.label))
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def regressors(losses: FloatArray) -> FloatArray:
    """Columns 1, L, gain squared and loss squared; row t serves the day after row t."""
    gain, loss = np.maximum(-losses, 0.0), np.maximum(losses, 0.0)
    return np.column_stack([np.ones(losses.size), losses, gain**2, loss**2])


@dataclass(frozen=True, eq=False)
class FittedBayesExpectile:
    """Posteriors of the targets."""

    settings: BayesExpectile
    posteriors: Mapping[Target, BayesianExpectileRegression]
    status: Status = Status.ok
    attempts: int = 1
    log_likelihood: float = float("nan")

    @property
    def params(self) -> Mapping[str, float]:
        """Posterior means of the coefficients by target."""
        return self._named({target: found.coefficients for target, found in self.posteriors.items()})

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Standard deviations of the rescaled draws."""
        return self._named({target: found.errors for target, found in self.posteriors.items()})

    @staticmethod
    def _named(values: Mapping[Target, FloatArray]) -> dict[str, float]:
        return {f"{target.label}.c{i}": float(v) for target, row in values.items() for i, v in enumerate(row)}

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows; NaN for what is not offered."""
        rows = regressors(losses[losses.size - last :])
        none = np.full(4, np.nan)
        columns = [self.posteriors[t].coefficients if t in self.posteriors else none for t in targets]
        return np.column_stack([rows @ column for column in columns])

    def band(
        self, losses: FloatArray, target: Target, last: int = 1, *, share: float = 0.95, rescaled: bool = True
    ) -> FloatArray:
        """Intervals (last, 2) of the expectile on the same days: how far it is known, not where the loss will fall."""
        offered = target in self.posteriors
        require(offered, f"target must be one of {', '.join(t.label for t in self.posteriors)}, got {target.label}")
        rows = regressors(losses[losses.size - last :])
        return self.posteriors[target].band(rows, share, rescaled=rescaled)

    def predictive(self, losses: FloatArray, last: int) -> Predictive | None:
        """None: the working likelihood is no law of the loss."""
        return None
