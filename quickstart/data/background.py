"""Backgrounds for generated scenes: muted textures and clutter that belongs to no class."""

import cv2
import numpy as np


def background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Make a textured background: float32 (height, width, 3) in RGB, [0, 255]."""
    base, contrast = rng.uniform(50, 205), rng.uniform(10, 50)
    along = _ramp(rng.uniform(0, 2 * np.pi), height, width)
    tint, drift = rng.uniform(-22, 22, 3), rng.uniform(-15, 15, 3)
    image = (
        base + tint.astype(np.float32) + along[..., None] * (contrast + drift).astype(np.float32)
    )
    image += _clouds(rng, height, width, amplitude=rng.uniform(4, 22))
    if rng.random() < 0.3:
        image += _stripes(rng, height, width)
    image = np.ascontiguousarray(image, np.float32)
    _blobs(rng, image)
    _lines(rng, image)
    image += rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 6))
    return np.clip(image, 0, 255)


def _ramp(angle: float, height: int, width: int) -> np.ndarray:
    """Ramp from -1 to 1 across the image in the direction of the angle."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.sin(angle)
    x = np.linspace(-1, 1, width, dtype=np.float32) * np.cos(angle)
    ramp = (x + y) / (abs(np.sin(angle)) + abs(np.cos(angle)))
    return ramp.astype(np.float32)


def _clouds(rng: np.random.Generator, height: int, width: int, amplitude: float) -> np.ndarray:
    cells = int(rng.integers(3, 14))
    coarse = rng.normal(0, amplitude, (cells, cells, 1)) + rng.normal(0, 3, (cells, cells, 3))
    return cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    along = _ramp(rng.uniform(0, 2 * np.pi), height, width)
    wave = np.sin(along * rng.uniform(6, 40) + rng.uniform(0, 2 * np.pi))
    return (rng.uniform(4, 16) * wave)[..., None].astype(np.float32)


def _blobs(rng: np.random.Generator, image: np.ndarray) -> None:
    """Add smooth spots without an edge."""
    height, width = image.shape[:2]
    y, x = np.ogrid[:height, :width]
    for _ in range(rng.integers(0, 5)):
        radius = min(height, width) * rng.uniform(0.04, 0.2)
        across, down = (
            np.exp(-((axis - rng.uniform(0, length)) ** 2) / (2 * radius**2)).astype(np.float32)
            for axis, length in ((x, width), (y, height))
        )
        image += (down * across)[..., None] * rng.uniform(-45, 45, 3).astype(np.float32)


def _lines(rng: np.random.Generator, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    thickest = max(1, min(height, width) // 64)
    for _ in range(rng.integers(0, 5)):
        start, end = rng.uniform(0, 1, (2, 2)) * (width, height)
        shade = image.mean() + rng.choice([-1, 1]) * rng.uniform(25, 70)
        color = np.clip(shade + rng.uniform(-12, 12, 3), 0, 255)
        cv2.line(
            image,
            (int(start[0]), int(start[1])),
            (int(end[0]), int(end[1])),
            color.tolist(),
            thickness=int(rng.integers(1, thickest + 1)),
        )
