"""What a study of this size can see: the smallest true difference that its test finds often enough."""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

from suite.statistics.crossed import class_freedom, degrees_of_freedom

POWER = 0.8
# Midpoints of equal probabilities, over which the mean square of seeds (few degrees of freedom) and of classes is
# averaged.
_SEED_POINTS, _CLASS_POINTS = ((np.arange(count) + 0.5) / count for count in (200, 20))


def detectable_difference(
    se: np.ndarray, share: np.ndarray, seeds: int, effective: float, level: float, power: float = POWER
) -> np.ndarray:
    """The true mean that the test of `crossed_mean` at `level` calls different from zero with probability `power`.

    Both mean squares are averaged over their chi-squared distributions, and with them the degrees of freedom, which
    vary from study to study: with few seeds a plain non-central t promises more power than there is. A mean found on
    either side of zero counts.

    Args:
        se: (...) standard errors of the mean.
        share: (...) of seeds in its square, `Crossed.share`; NaN where nothing can be tested.
        seeds: S, at least 2.
        effective: K, the effective number of classes.
        level: of the test; with Holm over m comparisons, level / m is what the first of them must reach.
        power: in (level, 1).

    Returns:
        (...) float64, in the unit of `se`; NaN where `se` or `share` is.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number in (0, 1), found {level}")
    if not level < power < 1:
        raise ValueError(f"power: expected a number between the level {level} and 1, found {power}")
    if seeds < 2:
        raise ValueError(f"seeds: expected at least 2, found {seeds}")
    se, share = np.broadcast_arrays(np.asarray(se, dtype=np.float64), np.asarray(share, dtype=np.float64))
    factors = [_shift(value, seeds, effective, level, power) for value in share.reshape(-1)]
    return se * np.array(factors).reshape(share.shape)


def _shift(share: float, seeds: int, effective: float, level: float, power: float) -> float:
    """The mean, in standard errors."""
    if np.isnan(share):
        return np.nan
    of_seeds = share * stats.chi2.ppf(_SEED_POINTS, seeds - 1)[:, None] / (seeds - 1)
    freedom = class_freedom(effective)
    of_classes = (1 - share) * stats.chi2.ppf(_CLASS_POINTS, freedom)[None] / freedom
    variance = of_seeds + of_classes
    found = degrees_of_freedom(of_seeds / variance, seeds, effective)
    critical = stats.t.ppf(1 - level / 2, found) * np.sqrt(variance)

    def excess(shift: float) -> float:
        return (stats.norm.sf(critical - shift) + stats.norm.cdf(-critical - shift)).mean() - power

    high = float(critical.max() + stats.norm.ppf(power) + 1.0)
    return float(optimize.brentq(excess, 0.0, high, xtol=1e-8))
