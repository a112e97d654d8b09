"""Candidate curves of a metric against batch size, with parameter intervals that have the seed as their unit.

Runs of one seed share the order of batches and the initial head, so a seed, not a run, is the independent unit: every
interval here is the set of values that a two-sided t test over seeds, on S - 1 degrees of freedom, does not reject at
5 %. For the parameters of a linear curve that is the t interval over the estimates of each seed. For the others a fit
seed by seed is of no use (six noisy points do not hold an asymptote), so a hypothetical value is tested by the score
of the fit of all seeds: the curve is fitted with the parameter held at the value, the direction in which freeing it
would move the curve (its derivative, less what the other parameters can do) is a contrast between sizes, and the
contrast of each seed's residuals is held against zero by its t test. For `c` and the optimum the test is exact with
normal errors, since at the value the curve is linear in what is left (Fieller, 1954, for a ratio); for the asymptote
and amplitude it is Rao's (1948) score test with the variance taken between seeds. Such sets are unbounded where the
data do not bound a parameter, as on a flat curve, where intervals made from a standard error are short and wrong.

Each curve is fitted by least squares on the means over seeds; `c` alone enters nonlinearly, so it is searched over its
whole range and no start is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from suite.statistics.intervals import CONFIDENCE, ROUNDING, t_interval

_GRID = 241
_STEPS = 160


class Parameter(NamedTuple):
    """An estimate, the ends of its 95 % interval, and why it has none or an open one; NaN where undefined."""

    name: str
    estimate: float
    low: float
    high: float
    reason: str


class Fit(NamedTuple):
    """A curve fitted to runs.

    Attributes:
        model, formula: its name and equation, B the batch size.
        parameters: in the order of the formula; of the quadratic, the batch size of its optimum comes last.
        residual_sd: standard deviation of a run about the curve, the offset of its seed taken off; NaN without freedom.
        aicc: n log(RSS / n) + 2 k + 2 k (k + 1) / (n - k - 1), n runs, k the curve's parameters, an offset of each
            further seed and the variance (Hurvich and Tsai, 1989); NaN where n - k - 1 is not positive.
    """

    model: str
    formula: str
    parameters: tuple[Parameter, ...]
    residual_sd: float
    aicc: float


def fit_curves(values: np.ndarray, sizes: np.ndarray) -> list[Fit]:
    """Every candidate curve: constant, logarithmic, quadratic in the logarithm, power law, saturating.

    Args:
        values: (S, B) a metric of the run of each seed at each size, finite.
        sizes: (B,) distinct batch sizes, ascending.

    Raises:
        ValueError: naming the argument whose shape or values are at fault.
    """
    values, sizes = checked(values, sizes)
    return [fit(values, sizes) for fit in (_constant, _logarithmic, _quadratic, _power, _saturating)]


def checked(values: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`values` (S, B, ...) and `sizes` (B,) as float64 arrays, or ValueError naming the one at fault."""
    values, sizes = np.asarray(values, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if sizes.ndim != 1 or not len(sizes) or (sizes <= 0).any() or (np.diff(sizes) <= 0).any():
        raise ValueError(f"sizes: expected distinct batch sizes, ascending, found {sizes.tolist()}")
    if values.ndim < 2 or not len(values) or values.shape[1] != len(sizes):
        raise ValueError(f"values: expected (seeds, {len(sizes)} sizes, ...), found shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values: holds a value that is not finite")
    return values, sizes


def _constant(values: np.ndarray, sizes: np.ndarray) -> Fit:
    return _linear(values, sizes, "constant", "a", 0)


def _logarithmic(values: np.ndarray, sizes: np.ndarray) -> Fit:
    return _linear(values, sizes, "logarithmic", "a + b log2(B)", 1)


def _quadratic(values: np.ndarray, sizes: np.ndarray) -> Fit:
    fit = _linear(values, sizes, "quadratic", "a + b log2(B) + c log2(B)^2", 2)
    if np.isnan(fit.parameters[0].estimate):
        return fit._replace(parameters=(*fit.parameters, fit.parameters[0]._replace(name="optimum")))
    return fit._replace(parameters=(*fit.parameters, _optimum(values, sizes)))


def _linear(values: np.ndarray, sizes: np.ndarray, model: str, formula: str, degree: int) -> Fit:
    """A polynomial in log2 B: the estimate of each seed, and the t interval over them."""
    names = "abc"[: degree + 1]
    basis = np.vander(np.log2(sizes), degree + 1, increasing=True)
    lacking = _too_few(model, formula, names, sizes)
    if lacking:
        return lacking
    by_seed = values @ np.linalg.pinv(basis).T
    interval = t_interval(by_seed)
    reason = "" if len(values) > 1 else _ONE_SEED
    parameters = tuple(
        Parameter(name, *(float(part[place]) for part in interval), reason) for place, name in enumerate(names)
    )
    return Fit(model, formula, parameters, *_misfit(values, basis @ interval.mean, degree + 1))


def _optimum(values: np.ndarray, sizes: np.ndarray) -> Parameter:
    """Batch size at which the quadratic turns, 2^(-b / 2c), by Fieller's set: b + 2 c x = 0 tested over seeds."""
    by_seed = values @ np.linalg.pinv(np.vander(np.log2(sizes), 3, increasing=True)).T
    mean, seeds = by_seed.mean(axis=0), len(values)
    # What the curvature moves the curve by over the sizes, against the values it was formed from.
    if abs(mean[2]) * np.log2(sizes[-1] / sizes[0]) ** 2 <= ROUNDING * np.abs(values).max():
        return Parameter("optimum", np.nan, np.nan, np.nan, "no curvature, so no optimum")
    place = -mean[1] / (2 * mean[2])
    kind = "a highest point" if mean[2] < 0 else "a lowest point"
    if not np.log2(sizes[0]) <= place <= np.log2(sizes[-1]):
        kind += f", outside the sizes {sizes[0]:g} to {sizes[-1]:g}"
    estimate = float(np.exp2(np.clip(place, -1000, 1000)))
    if seeds < 2:
        return Parameter("optimum", estimate, np.nan, np.nan, f"{kind}; {_ONE_SEED}")
    # (b + 2 c x)^2 <= t^2 var(b + 2 c x) is a quadratic inequality in x.
    covariance = np.cov(by_seed[:, 1:], rowvar=False) / seeds * _critical(seeds) ** 2
    second = 4 * (mean[2] ** 2 - covariance[1, 1])
    first = 4 * (mean[1] * mean[2] - covariance[0, 1])
    if second <= 0:
        return Parameter("optimum", np.nan, 0.0, np.inf, "the seeds do not tell the curvature from none")
    root = np.sqrt(max(first**2 - 4 * second * (mean[1] ** 2 - covariance[0, 0]), 0.0))
    low, high = (np.exp2(np.clip((-first + side * root) / (2 * second), -1000, 1000)) for side in (-1, 1))
    return Parameter("optimum", estimate, float(low), float(high), kind)


class _Shape(NamedTuple):
    """a - b g(B; c), the part that falls from its value at small sizes to 0.

    `value` gives g, `slope` its derivative with respect to log c, both (..., B) for c of shape (..., 1).
    """

    model: str
    formula: str
    lower: float
    upper: float
    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    at_lower: str
    at_upper: str


def _power(values: np.ndarray, sizes: np.ndarray) -> Fit:
    ratio = sizes / sizes[0]
    shape = _Shape(
        "power",
        f"a - b (B / {sizes[0]:g})^-c",
        0.02,
        8.0,
        lambda c: ratio**-c,
        lambda c: -c * np.log(ratio) * ratio**-c,
        "slower than any power, as a logarithm",
        f"a step after size {sizes[0]:g}",
    )
    return _shaped(values, sizes, shape)


def _saturating(values: np.ndarray, sizes: np.ndarray) -> Fit:
    shape = _Shape(
        "saturating",
        "a - b / (1 + B / c)",
        sizes[0] / 16,
        sizes[-1] * 16,
        lambda c: c / (c + sizes),
        lambda c: c * sizes / (c + sizes) ** 2,
        "saturated before the smallest size",
        "a straight line in the batch size",
    )
    return _shaped(values, sizes, shape)


def _shaped(values: np.ndarray, sizes: np.ndarray, shape: _Shape) -> Fit:
    lacking = _too_few(shape.model, shape.formula, "abc", sizes)
    if lacking:
        return lacking
    mean, seeds = values.mean(axis=0), len(values)
    grid = np.geomspace(shape.lower, shape.upper, _GRID)
    c = _nearest(mean, shape, grid)
    a, b = _given(mean, shape.value(c))
    fitted = a - b * shape.value(c)
    misfit = _misfit(values, fitted, 3)
    flat = np.ptp(mean) <= ROUNDING * np.abs(values).max()
    edge = "" if shape.lower * 1.001 < c < shape.upper / 1.001 else shape.at_lower if c < grid[1] else shape.at_upper
    if flat or edge:
        reason = "the means are equal at all sizes" if flat else f"best at the end of its range: {edge}"
        none = tuple(Parameter(name, np.nan, np.nan, np.nan, reason) for name in "abc")
        return Fit(shape.model, shape.formula, none, *misfit)
    if seeds < 2:
        single = tuple(
            Parameter(name, float(value), np.nan, np.nan, _ONE_SEED)
            for name, value in zip("abc", (a, b, c), strict=True)
        )
        return Fit(shape.model, shape.formula, single, *misfit)
    ends = (_ends_of_linear(values, shape, grid, (a, b, c), which) for which in (0, 1))
    parameters = tuple(
        Parameter(name, float(value), *low_high, _open(low_high))
        for name, value, low_high in zip("ab", (a, b), ends, strict=True)
    )
    low_high = _ends_of_c(values, shape, grid)
    return Fit(
        shape.model,
        shape.formula,
        (*parameters, Parameter("c", float(c), *low_high, _open(low_high))),
        *misfit,
    )


def _nearest(mean: np.ndarray, shape: _Shape, grid: np.ndarray) -> float:
    """The `c` of the least-squares curve: best of the grid, then refined between its neighbours."""

    def error(logarithm: np.ndarray) -> np.ndarray:
        g = shape.value(np.exp(np.asarray(logarithm)[..., None]))
        centred, target = g - g.mean(axis=-1, keepdims=True), mean - mean.mean()
        return (target**2).sum() - (centred @ target) ** 2 / (centred**2).sum(axis=-1)

    best = int(np.argmin(error(np.log(grid))))
    bounds = np.log(grid[max(best - 1, 0)]), np.log(grid[min(best + 1, len(grid) - 1)])
    found = optimize.minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    return float(np.exp(found.x))


def _given(mean: np.ndarray, g: np.ndarray) -> tuple[float, float]:
    """Least-squares a and b of a - b g."""
    centred = g - g.mean()
    b = -float(centred @ (mean - mean.mean()) / (centred @ centred))
    return float(mean.mean() + b * g.mean()), b


def _ends_of_c(values: np.ndarray, shape: _Shape, grid: np.ndarray) -> tuple[float, float]:
    """Ends of the values of `c` that are not rejected; 0 or infinity where the search's own end is not."""
    g, d = shape.value(grid[:, None]), shape.slope(grid[:, None])
    contrast = _less(d, np.stack([np.ones_like(g), g], axis=1))
    t = _t_over_seeds(values @ contrast.T)
    excess = np.abs(t) - _critical(len(values))
    accepted = np.flatnonzero(excess <= 0)
    if not len(accepted):
        # The curve itself is rejected: no value of c fits.
        return np.nan, np.nan
    first, last = accepted[0], accepted[-1]
    low = 0.0 if first == 0 else _crossing(np.log(grid), excess, first - 1, first)
    high = np.inf if last == len(grid) - 1 else _crossing(np.log(grid), excess, last, last + 1)
    return (np.exp(low) if first else 0.0), np.exp(high)


def _ends_of_linear(
    values: np.ndarray, shape: _Shape, grid: np.ndarray, estimate: tuple[float, float, float], which: int
) -> tuple[float, float]:
    """Ends of the values of a (`which` 0) or b (1) that are not rejected, going outwards from the estimate."""
    mean = values.mean(axis=0)
    scale = max(np.ptp(mean), values.std(axis=0).max())
    steps = np.r_[0.0, scale * np.geomspace(1e-4, 1e4, _STEPS)]
    g, d = shape.value(grid[:, None]), shape.slope(grid[:, None])
    critical, ends = _critical(len(values)), []
    for side in (-1, 1):
        held = estimate[which] + side * steps
        one = np.ones_like(g)
        fixed, free = (one, -g) if which == 0 else (-g, one)
        # Residual of the best curve with the parameter held, at every c: (steps, grid, B).
        target = mean - held[:, None, None] * fixed
        weight = np.einsum("sgb,gb->sg", target, free) / (free**2).sum(axis=-1)
        error = ((target - weight[..., None] * free) ** 2).sum(axis=-1)
        best = error.argmin(axis=1)
        rows = np.arange(len(held))
        others = weight[rows, best]
        b = others if which == 0 else held
        contrast = _less(fixed[best], np.stack([free[best], -b[:, None] * d[best]], axis=1))
        residual = values[:, None] - held[:, None] * fixed[best] - others[:, None] * free[best]
        excess = np.abs(_t_over_seeds((residual * contrast).sum(axis=-1))) - critical
        excess[0] = -critical
        outside = np.flatnonzero((excess > 0) | (best == 0) | (best == len(grid) - 1))
        if not len(outside) or excess[outside[0]] <= 0:
            ends.append(side * np.inf)
        else:
            ends.append(estimate[which] + side * _crossing(steps, excess, outside[0] - 1, outside[0]))
    return float(ends[0]), float(ends[1])


def _less(directions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, B) directions without what (n, k, B) others span."""
    q = np.linalg.qr(np.swapaxes(others, -1, -2))[0]
    return directions - np.einsum("nbk,nk->nb", q, np.einsum("nbk,nb->nk", q, directions))


def _t_over_seeds(contrasts: np.ndarray) -> np.ndarray:
    spread = contrasts.std(axis=0, ddof=1) / np.sqrt(len(contrasts))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(contrasts.mean(axis=0) / spread, nan=0.0)


def _crossing(places: np.ndarray, excess: np.ndarray, left: int, right: int) -> float:
    """Where `excess` is zero between two neighbouring places, by a straight line."""
    if not np.isfinite(excess[[left, right]]).all():
        return float(places[left])
    share = excess[left] / (excess[left] - excess[right])
    return float(places[left] + share * (places[right] - places[left]))


def _critical(seeds: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1))


_ONE_SEED = "one seed: no interval"


def _open(ends: tuple[float, float]) -> str:
    if np.isnan(ends[0]):
        return "no value fits: the seeds reject the curve"
    below, above = ends[0] in (0.0, -np.inf), ends[1] == np.inf
    if below and above:
        return "the runs do not bound it"
    return "the runs do not bound it from below" if below else "the runs do not bound it from above" if above else ""


def _too_few(model: str, formula: str, names: str, sizes: np.ndarray) -> Fit | None:
    if len(sizes) > len(names):
        return None
    reason = f"{len(names)} parameters need more than {len(names)} sizes; there are {len(sizes)}"
    return Fit(model, formula, tuple(Parameter(name, *[np.nan] * 3, reason) for name in names), np.nan, np.nan)


def _misfit(values: np.ndarray, fitted: np.ndarray, parameters: int) -> tuple[float, float]:
    """Residual standard deviation and AICc, an offset of each seed taken off."""
    residual = values - fitted
    residual = residual - residual.mean(axis=1, keepdims=True) + residual.mean()
    runs, total = residual.size, float((residual**2).sum())
    taken = parameters + len(values) - 1
    spread = np.sqrt(total / (runs - taken)) if runs > taken else np.nan
    k = taken + 1
    if runs - k - 1 <= 0 or total <= (ROUNDING * np.abs(values).max()) ** 2 * runs:
        return float(spread), np.nan
    return float(spread), float(runs * np.log(total / runs) + 2 * k + 2 * k * (k + 1) / (runs - k - 1))
