"""How often a test rejects forecasts that are right: the size it attains, beside the nominal one."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, ndtr

from riskcore import defaults
from riskcore.backtests.hit_laws import MOST_DAYS, exact_law, log_binomial
from riskcore.errors import require

ENUMERATED = ("kupiec", "binomial", "tuff", "christoffersen_independence", "christoffersen_coverage")
"""Tests whose law is enumerated."""


def attained_size(name: str, n_obs: int, level: float, *, size: float = defaults.SIZE) -> float:
    r"""Share of right forecasts that the asymptotic p-value of a test rejects, exactly.

    .. math:: \sum_{s:\ p(s) < size} P(S = s), \quad
              \text{for numbers of hits } P(X = x) = \binom{T}{x} (1-p)^x p^{T-x}

    Parameters
    ----------
    name : {"kupiec", "binomial", "tuff", "christoffersen_independence", "christoffersen_coverage"}
        Name of the test in `BACKTESTS`.
    n_obs : int
        Days, at least 1 (Christoffersen: 2 to 100,000).
    level : float
        Level of the VaR, in (0.5, 1).
    size : float
        Nominal size, in (0, 1).

    Returns
    -------
    float
        In [0, 1]; for "tuff" the share of the samples that have a hit.

    Raises
    ------
    ConfigError
        For another test, or a value outside its range.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3(2), 73-84.

    Examples
    --------
    >>> round(attained_size("kupiec", 250, 0.99), 4)
    0.0948
    """
    require(name in ENUMERATED, f"name must be one of {', '.join(ENUMERATED)}, got {name!r}")
    chain = name.startswith("christoffersen")
    require(n_obs >= 1 + chain, f"n_obs must be at least {1 + chain}, got {n_obs!r}")
    require(n_obs <= MOST_DAYS or not chain, f"n_obs must be at most {MOST_DAYS} for {name}, got {n_obs!r}")
    require(0.5 < level < 1, f"level must lie in (0.5, 1), got {level!r}; typical values: 0.975, 0.99")
    require(0 < size < 1, f"size must lie in (0, 1), got {size!r}; typical values: 0.01, 0.05")
    if name == "binomial":
        counts, rate = np.arange(n_obs + 1.0), 1.0 - level
        p_values = 2.0 * ndtr(-np.abs(counts - n_obs * rate) / np.sqrt(n_obs * rate * level))
        return float(np.exp(log_binomial(n_obs, counts, rate)[p_values < size]).sum())
    law = exact_law(name, n_obs, level)
    p_values = chdtrc(2 if name == "christoffersen_coverage" else 1, law.statistics)
    return float(law.tails[np.count_nonzero(p_values >= size)])
