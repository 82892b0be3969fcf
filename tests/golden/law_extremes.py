"""Makes law_extremes.json beside it: ``python law_extremes.py`` with mpmath 1.4, which the tests do not need.

Distribution functions by incomplete beta and gamma functions at 50 digits, quantiles and expectiles by Newton's method
on their definitions, E|Z - Z'| of the generalised error law by quadrature, E Z^2 1{Z > 0} by an incomplete beta
function.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LEVELS = [0.001, 0.05, 0.5, 0.75, 0.95, 0.975, 0.99, 0.99855, 0.9999, 0.99999]
POINTS = [-6.0, -1.0, -0.05, 0.0, 0.3, 2.0, 5.0]
LAWS: dict[str, list[dict[str, float]]] = {
    "Normal": [{}],
    "StudentT": [{"nu": nu} for nu in (2.05, 2.2, 3.0, 5.3, 11.7, 30.0, 99.5, 200.0, 500.0, 9e5)],
    "GED": [{"shape": b} for b in (0.5, 0.8, 1.0, 1.37, 2.0, 4.3, 10.0)],
    "SkewT": [{"nu": nu, "skew": skew} for nu in (2.05, 4.5, 300.0) for skew in (-0.99, -0.3, 0.1, 0.99)],
}


def symmetric(mp: Any, name: str, **params: float) -> tuple[Any, Any, Any, Any]:
    """Density, P(Z > x) and E(Z - x)+ for x >= 0 and E|Z - Z'|/2 of a law of variance 1."""
    if name == "Normal":
        tail = lambda x: mp.erfc(x / mp.sqrt(2)) / 2  # noqa: E731
        return mp.npdf, tail, lambda x: mp.npdf(x) - x * tail(x), 1 / mp.sqrt(mp.pi)
    if name == "StudentT":
        nu = mp.mpf(params["nu"])

        def density(x: Any) -> Any:
            return (1 + x * x / (nu - 2)) ** (-(nu + 1) / 2) / (mp.sqrt(nu - 2) * mp.beta(nu / 2, 0.5))

        def tail(x: Any) -> Any:
            square = x * x * nu / (nu - 2)
            if square > nu:
                return mp.betainc(nu / 2, 0.5, 0, nu / (nu + square), regularized=True) / 2
            return mp.mpf(0.5) - mp.betainc(0.5, nu / 2, 0, square / (nu + square), regularized=True) / 2

        def excess(x: Any) -> Any:
            return (nu - 2 + x * x) / (nu - 1) * density(x) - x * tail(x)

        ratio = mp.beta(0.5, nu - 0.5) / mp.beta(0.5, nu / 2) ** 2  # Jordan, Krueger and Lerch (2019)
        half_gini = 2 * mp.sqrt(nu - 2) / (nu - 1) * ratio
    else:
        b = mp.mpf(params["shape"])
        s = mp.sqrt(mp.gamma(1 / b) / mp.gamma(3 / b))

        def density(x: Any) -> Any:
            return b / (2 * s * mp.gamma(1 / b)) * mp.exp(-((abs(x) / s) ** b))

        def tail(x: Any) -> Any:
            return mp.gammainc(1 / b, (x / s) ** b, mp.inf, regularized=True) / 2

        def excess(x: Any) -> Any:
            return s * mp.gammainc(2 / b, (x / s) ** b, mp.inf) / (2 * mp.gamma(1 / b)) - x * tail(x)

        with mp.workdps(25):
            squared = mp.quad(lambda x: tail(x) ** 2, [0, 0.3, 1, 2, 4, 8, 16, 32, mp.inf])
        half_gini = 2 * (excess(mp.mpf(0)) - squared)
    return density, tail, excess, half_gini


class Oracle:
    """A law by its halves: ``Y = b Z + a`` is the symmetric law stretched by 1 - skew on the left, 1 + skew right."""

    def __init__(self, mp: Any, name: str, **params: float) -> None:
        self.mp, self.skew, self.a, self.b = mp, mp.mpf(params.pop("skew", 0.0)), mp.mpf(0), mp.mpf(1)
        self.params = params
        self.half = symmetric(mp, "StudentT" if name == "SkewT" else name, **params)
        if name == "SkewT":
            nu = mp.mpf(params["nu"])
            self.a = 4 * self.skew * self.half[0](mp.mpf(0)) * (nu - 2) / (nu - 1)
            self.b = mp.sqrt(1 + 3 * self.skew**2 - self.a**2)

    def _side(self, x: Any) -> tuple[bool, Any, Any]:
        y = self.b * x + self.a
        side = 1 - self.skew if y < 0 else 1 + self.skew
        return y < 0, side, abs(y) / side

    def pdf(self, x: Any) -> Any:
        return self.b * self.half[0](self._side(x)[2])

    def sf(self, x: Any) -> Any:
        below, side, at = self._side(x)
        return 1 - side * self.half[1](at) if below else side * self.half[1](at)

    def cdf(self, x: Any) -> Any:
        below, side, at = self._side(x)
        return side * self.half[1](at) if below else 1 - side * self.half[1](at)

    def upm(self, x: Any) -> Any:
        below, side, at = self._side(x)
        return side * side / self.b * self.half[2](at) - (x if below else 0)

    def ppf(self, p: Any) -> Any:
        return self._root(lambda x: self.cdf(x) - p if p < 0.5 else 1 - p - self.sf(x), self.pdf, p)

    def expectile(self, tau: Any) -> Any:
        gain, tail = 2 * tau - 1, 1 - tau
        slope = lambda x: gain * self.sf(x) + tail  # noqa: E731
        return self._root(lambda x: tail * x - gain * self.upm(x), slope, tau) if tau != 0.5 else self.mp.mpf(0)

    def _root(self, f: Any, slope: Any, level: Any) -> Any:
        """Newton's method inside a bracket; `f` rises."""
        low, high, x = self.mp.mpf(-(10**4)), self.mp.mpf(10**4), self.mp.sign(level - 0.5) + self.mp.mpf(0.01)
        for _ in range(400):
            value = f(x)
            low, high = (x, high) if value < 0 else (low, x)
            to = x - value / slope(x)
            if abs(to - x) < self.mp.mpf(10) ** -40:
                return to
            x = to if low < to < high else (low + high) / 2
        raise ArithmeticError

    def half_gini(self) -> Any:
        whole, half = self.half[2](self.mp.mpf(0)), self.half[3]
        squared = whole - half / 2
        return 2 * (whole * (1 + self.skew**2) - squared * (1 + 3 * self.skew**2)) / self.b

    def upper_second_moment(self) -> Any:
        mp, s = self.mp, abs(self.skew)
        if s == 0:
            return mp.mpf(0.5)
        nu, w = mp.mpf(self.params["nu"]), abs(self.a) / (1 + s)
        square = w * w * nu / (nu - 2)
        second = mp.betainc(1.5, nu / 2 - 1, square / (nu + square), 1) / mp.beta(0.5, nu / 2) * (nu - 2) / 2
        tail, excess = self.half[1](w), self.half[2](w)
        moment = (1 + s) ** 3 / self.b**2 * (second - 2 * w * excess - w * w * tail)
        return moment if self.skew > 0 else 1 - moment


def case(mp: Any, name: str, params: dict[str, float]) -> dict[str, Any]:
    law = Oracle(mp, name, **params)
    half = law.half_gini()
    levels, points = [mp.mpf(p) for p in LEVELS], [mp.mpf(x) for x in POINTS]
    quantiles = [law.ppf(p) for p in levels]
    expected = {
        "ppf": quantiles,
        "es": [q + law.upm(q) / (1 - p) for q, p in zip(quantiles, levels, strict=True)],
        "expectile": [law.expectile(p) for p in levels],
        "cdf": [law.cdf(x) for x in points],
        "sf": [law.sf(x) for x in points],
        "upm": [law.upm(x) for x in points],
        "logpdf": [mp.log(law.pdf(x)) for x in points],
        "crps": [2 * law.upm(x) + x - half for x in points],
        "upper_second_moment": [law.upper_second_moment()],
    }
    return {
        "id": "_".join([name, *(f"{v:g}" for v in params.values())]),
        "input": {"law": name, "params": params, "levels": LEVELS, "points": POINTS},
        "expected": {k: [float(x) for x in v] for k, v in expected.items()},
        "source": "mpmath 1.4 at 50 digits, by the script beside this file",
        "tolerance": {"rel": 1e-12},
    }


def main() -> None:
    import mpmath as mp

    mp.mp.dps = 50
    cases = [case(mp, name, params) for name, many in LAWS.items() for params in many]
    text = {"topic": "Standardised laws at the ends of their parameters' ranges", "cases": cases}
    Path(__file__).with_suffix(".json").write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
