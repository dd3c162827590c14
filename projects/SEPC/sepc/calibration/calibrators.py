"""Calibrators: monotone functions from a score to what is found at such a score.

Source: https://arxiv.org/abs/2405.20459, Sec 5. Each is fitted by :func:`fit_calibrator` to scores
and targets in [0, 1], and maps scores in [0, 1] to such scores.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

_MARGIN = 1e-7  # from 0 and 1, where a logit is not finite


class Calibrator(Protocol):
    """Fitted calibrator; its fields are what a file of it holds."""

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Calibrated scores, of the same shape."""
        ...


@dataclass(frozen=True)
class Identity:
    """Scores as they are."""

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return np.asarray(scores, dtype=float)


@dataclass(frozen=True)
class Isotonic:
    """Linear interpolation between knots (scores, values), constant beyond the first and last."""

    scores: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return np.interp(scores, self.scores, self.values)

    @staticmethod
    def fit(scores: np.ndarray, targets: np.ndarray) -> Isotonic:
        """Isotonic least squares, by pooling adjacent violators."""
        x, inverse = np.unique(scores, return_inverse=True)
        blocks: list[tuple[float, float, int]] = []  # mean, weight, number of places
        sums, weights = np.bincount(inverse, targets), np.bincount(inverse)
        for mean, weight in zip(sums / weights, weights.astype(float), strict=True):
            places = 1
            while blocks and blocks[-1][0] >= mean:
                before, its_weight, its_places = blocks.pop()
                mean = (before * its_weight + mean * weight) / (its_weight + weight)
                weight, places = weight + its_weight, places + its_places
            blocks.append((mean, weight, places))
        y = np.clip(np.concatenate([[mean] * places for mean, _, places in blocks]), 0, 1)
        bends = np.r_[True, (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:]), True][: len(y)]
        return Isotonic(tuple(x[bends].tolist()), tuple(y[bends].tolist()))


@dataclass(frozen=True)
class Linear:
    """A line with a slope of 0 or more, cut off at 0 and 1."""

    slope: float
    intercept: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return np.clip(self.slope * np.asarray(scores) + self.intercept, 0, 1)

    @staticmethod
    def fit(scores: np.ndarray, targets: np.ndarray) -> Linear:
        """Least squares; among scores that are all the same the mean."""
        centered = scores - scores.mean()
        variance = float(centered @ centered)
        slope = max(float(centered @ targets) / variance, 0.0) if variance > 0 else 0.0
        return Linear(slope, float(targets.mean() - slope * scores.mean()))


@dataclass(frozen=True)
class Platt:
    """A sigmoid of the line ``scale`` logit + ``shift``, the scale 0 or more."""

    scale: float
    shift: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return _sigmoid(self.scale * _logit(scores) + self.shift)

    @staticmethod
    def fit(scores: np.ndarray, targets: np.ndarray) -> Platt:
        """Least cross-entropy, at its optimum."""
        logits = _logit(scores)
        scale, shift = _least_cross_entropy(np.stack([logits, np.ones_like(logits)], 1), targets)
        if scale < 0:
            return Platt(0.0, float(_logit(targets.mean())))
        return Platt(scale, shift)


@dataclass(frozen=True)
class Temperature:
    """A sigmoid of logit times ``inverse_temperature``, 0 or more; 0 makes every score 0.5."""

    inverse_temperature: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return _sigmoid(self.inverse_temperature * _logit(scores))

    @staticmethod
    def fit(scores: np.ndarray, targets: np.ndarray) -> Temperature:
        """Least cross-entropy, at its optimum."""
        (inverse,) = _least_cross_entropy(_logit(scores)[:, None], targets)
        return Temperature(max(inverse, 0.0))


CALIBRATORS: dict[str, Any] = {
    "isotonic": Isotonic,
    "linear": Linear,
    "platt": Platt,
    "temperature": Temperature,
}


def fit_calibrator(kind: str, scores: np.ndarray, targets: np.ndarray) -> Calibrator:
    """Fit a calibrator to D detections.

    Args:
        kind: of :data:`CALIBRATORS`.
        scores: (D,), in [0, 1].
        targets: (D,), in [0, 1]: the IoU of what is found and 0 for false positives, or 1 and 0.

    Returns:
        the identity without detections.
    """
    if not len(scores):
        return Identity()
    return CALIBRATORS[kind].fit(np.asarray(scores, float), np.asarray(targets, float))


def to_dict(calibrator: Calibrator) -> dict[str, float | list[float]]:
    """Parameters of a calibrator, for :func:`from_dict`."""
    return dataclasses.asdict(calibrator)  # type: ignore[call-overload]


def from_dict(kind: str, parameters: dict[str, float | list[float]]) -> Calibrator:
    """Calibrator of a kind from its parameters; without any, the identity.

    Raises:
        ValueError: for another kind or other parameters.
    """
    try:
        values = {
            k: tuple(v) if isinstance(v, list | tuple) else float(v) for k, v in parameters.items()
        }
        return CALIBRATORS[kind](**values) if values else Identity()
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected parameters of a calibrator among {list(CALIBRATORS)}, got {kind!r} with "
            f"{str(parameters)[:200]}"
        ) from error


def _least_cross_entropy(features: np.ndarray, targets: np.ndarray) -> list[float]:
    """Weights (F,) of a logistic regression on (D, F), by Newton steps that never go up."""

    def loss(weights: np.ndarray) -> float:
        z = features @ weights
        return float((np.logaddexp(0, z) - targets * z).mean())

    weights = np.zeros(features.shape[1])
    for _ in range(100):
        predicted = _sigmoid(features @ weights)
        gradient = features.T @ (predicted - targets) / len(targets)
        if np.abs(gradient).max() < 1e-13:
            break
        curvature = features.T @ (features * (predicted * (1 - predicted))[:, None]) / len(targets)
        step = np.linalg.solve(curvature + 1e-12 * np.eye(len(weights)), gradient)
        factor = next(
            (f for f in 0.5 ** np.arange(40) if loss(weights - f * step) < loss(weights)), 0
        )
        if not factor:
            break
        weights = weights - factor * step
    return weights.tolist()


def _logit(scores: np.ndarray) -> np.ndarray:
    inside = np.clip(np.asarray(scores, dtype=float), _MARGIN, 1 - _MARGIN)
    return np.log(inside) - np.log1p(-inside)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
