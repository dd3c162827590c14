"""Filters that several corruptions share, on float arrays (H, W) or (H, W, C)."""

import math

import cv2
import numpy as np


def gaussian(
    x: np.ndarray, sigma: tuple[float, float], *, truncate: float, border: int
) -> np.ndarray:
    """Gaussian of deviations ``sigma`` (rows, columns), cut off at ``truncate`` of them."""
    rows, columns = (_gaussian_kernel(each, truncate) for each in sigma)
    return cv2.sepFilter2D(x, -1, columns, rows, borderType=border)


def _gaussian_kernel(sigma: float, truncate: float) -> np.ndarray:
    radius = int(truncate * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return kernel / kernel.sum()


def zoom_center(x: np.ndarray, factor: float) -> np.ndarray:
    """Enlarge the center of an image, linearly with aligned corners, to its size or just above."""
    for axis in (0, 1):
        size = x.shape[axis]
        part = math.ceil(size / factor)
        places = np.linspace(0, part - 1, round(part * factor))
        lower = np.minimum(places.astype(int), max(part - 2, 0))
        weight = (places - lower).reshape((-1, *[1] * (x.ndim - 1 - axis)))
        start = (size - part) // 2
        first = np.take(x, start + lower, axis)
        second = np.take(x, start + np.minimum(lower + 1, part - 1), axis)
        x = first + weight * (second - first)
    return x


def motion_blur(x: np.ndarray, radius: int, sigma: float, degrees: float) -> np.ndarray:
    """Blur along a line, by a half Gaussian of whole pixels; borders are repeated."""
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    angle = math.radians(degrees)
    height, width = x.shape[:2]
    reach = len(steps)
    padded = cv2.copyMakeBorder(x, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    blurred = np.zeros(x.shape)
    for step, weight in zip(steps.tolist(), weights, strict=True):
        down = -math.ceil(step * math.sin(angle) - 0.5)
        right = -math.ceil(step * math.cos(angle) - 0.5)
        if abs(down) >= height or abs(right) >= width:
            break
        top, left = reach - down, reach - right
        blurred += weight * padded[top : top + height, left : left + width]
    return blurred


def sample_reflected(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bilinear values of (H, W, C) at places (H, W) in pixels, mirrored at the outer edges."""
    lower = [np.floor(places) for places in (rows, columns)]
    weights = [
        (places - each)[..., None] for places, each in zip((rows, columns), lower, strict=True)
    ]
    value = np.zeros((*rows.shape, x.shape[2]))
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - weights[0]) * np.abs(1 - right - weights[1])
            row = _mirrored(lower[0] + down, x.shape[0])
            column = _mirrored(lower[1] + right, x.shape[1])
            value += share * x[row, column]
    return value


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    """Indices into an axis that goes on mirrored, its border pixel repeated."""
    index = index.astype(int) % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)
