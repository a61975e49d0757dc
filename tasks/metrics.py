"""Every metric with its formula; numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def _both(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as float64, rows that are finite in both."""
    y, p = np.asarray(truth, np.float64).ravel(), np.asarray(prediction, np.float64).ravel()
    keep = np.isfinite(y) & np.isfinite(p)
    return y[keep], p[keep]


def mae(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean absolute error: mean |p - y|; NaN without rows. Blind to where the error sits.

    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    y, p = _both(truth, prediction)
    return float(np.abs(p - y).mean()) if len(y) else float("nan")


def bias(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean of p - y; for slack, pessimism is negative.

    >>> bias([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    y, p = _both(truth, prediction)
    return float((p - y).mean()) if len(y) else float("nan")


def percentile_error(truth: npt.ArrayLike, prediction: npt.ArrayLike, percent: float) -> float:
    """Percentile of |p - y|; NaN without rows.

    >>> percentile_error([0.0, 0.0], [1.0, 3.0], 100)
    3.0
    """
    y, p = _both(truth, prediction)
    return float(np.percentile(np.abs(p - y), percent)) if len(y) else float("nan")


def r2(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """1 - sum (y - p)^2 / sum (y - mean y)^2, the truth in the denominator; NaN where the truth is constant.

    Saturates on arrivals: judge by skill beside it.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    """
    y, p = _both(truth, prediction)
    total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    return 1.0 - float(((y - p) ** 2).sum()) / total if total > 0 else float("nan")


def skill(truth: npt.ArrayLike, prediction: npt.ArrayLike, baseline: npt.ArrayLike) -> float:
    """1 - MAE(prediction) / MAE(baseline): above 0 is a gain over the baseline.

    >>> skill([0.0, 0.0], [1.0, 1.0], [2.0, 2.0])
    0.5
    """
    reference = mae(truth, baseline)
    return 1.0 - mae(truth, prediction) / reference if reference > 0 else float("nan")


def kendall_tau(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Kendall's tau-b over the rows; 1 = same order. Source: scipy.stats.kendalltau.

    >>> round(kendall_tau([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), 3)
    0.333
    """
    from scipy.stats import kendalltau

    y, p = _both(truth, prediction)
    return float(kendalltau(y, p).statistic) if len(y) > 1 else float("nan")


def recall_of_worst(truth: npt.ArrayLike, prediction: npt.ArrayLike, share: float = 0.05) -> float:
    """Share of the truth's smallest *share* of rows (at least 1) that are among the prediction's.

    >>> recall_of_worst([0.0, 1.0, 2.0, 3.0], [0.5, 0.0, 2.0, 3.0], 0.5)
    1.0
    """
    y, p = _both(truth, prediction)
    if not len(y):
        return float("nan")
    count = max(1, round(share * len(y)))
    worst = set(np.argsort(y, kind="stable")[:count].tolist())
    return len(worst & set(np.argsort(p, kind="stable")[:count].tolist())) / count


def violating_f1(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """F1 of the class "slack < 0"; NaN where the truth has no violation. Unstable below some 20 violations.

    >>> violating_f1([-1.0, 1.0], [-1.0, -1.0])
    0.6666666666666666
    """
    y, p = _both(truth, prediction)
    bad, said = y < 0, p < 0
    if not bad.any():
        return float("nan")
    return 2.0 * float((bad & said).sum()) / float(bad.sum() + said.sum())


def mean_and_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of the 95 % interval of the mean (normal, sample deviation); half width NaN for one value.

    >>> mean_and_interval([1.0, 3.0])[0]
    2.0
    """
    clean = np.asarray([value for value in values if np.isfinite(value)], np.float64)
    if not len(clean):
        return float("nan"), float("nan")
    if len(clean) == 1:
        return float(clean[0]), float("nan")
    return float(clean.mean()), float(1.96 * clean.std(ddof=1) / np.sqrt(len(clean)))
