"""Corruptions by weather: snow, frost, fog. Images are (H, W, 3) in [0, 1], RGB."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
from numpy.random import RandomState

from ..export.preprocess import read_image
from .filters import motion_blur, zoom_center

_TEXTURES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


def snow(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    mean, deviation, zoom, least, radius, sigma, share = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[severity - 1]
    flakes = zoom_center(random.normal(mean, deviation, x.shape[:2]), zoom)
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)
    flakes = motion_blur(flakes, int(radius), sigma, random.uniform(-135, -45))
    flakes = np.round(flakes[: x.shape[0], : x.shape[1], None] * 255) / 255
    gray = (x @ (0.299, 0.587, 0.114))[..., None]
    whiter = share * x + (1 - share) * np.maximum(x, gray * 1.5 + 0.5)
    return whiter + flakes + flakes[::-1, ::-1]


def fog(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    amount, decay = ((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[severity - 1]
    height, width = x.shape[:2]
    size = 1 << (max(height, width, 3) - 1).bit_length()
    cloud = plasma(size, decay, random)[:height, :width, None]
    brightest = x.max()
    return (x + amount * cloud) * brightest / (brightest + amount)


def plasma(size: int, decay: float, random: RandomState) -> np.ndarray:
    """Fractal heights (size, size) in [0, 1] on a torus, by the diamond-square algorithm.

    Args:
        size: a power of two.
        decay: by which the noise gets less from step to step.
    """
    heights = np.zeros((size, size))
    noise, step = 100.0, size

    def moved(total: np.ndarray) -> np.ndarray:
        return total / 4 + noise * random.uniform(-noise, noise, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = moved(pairs + np.roll(pairs, -1, 1))
        centers = heights[half::step, half::step]
        across = corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = moved(centers + np.roll(centers, 1, 0) + across)
        down = corners + np.roll(corners, -1, 0)
        heights[half::step, ::step] = moved(centers + np.roll(centers, 1, 1) + down)
        step, noise = half, noise / decay
    heights -= heights.min()
    return heights / heights.max()


def frost(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    """Frost of the pictures that the package imagecorruptions brings; FileNotFoundError without."""
    image, ice = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    folder = frost_folder()
    if folder is None:
        raise FileNotFoundError(
            "frost needs the pictures of the package imagecorruptions: "
            "pip install --no-deps imagecorruptions"
        )
    texture = read_image(folder / _TEXTURES[random.randint(5)])
    height, width = x.shape[:2]
    scale = 1.1 * max(1, height / texture.shape[0], width / texture.shape[1])
    size = tuple(int(np.ceil(side * scale)) for side in texture.shape[1::-1])
    texture = cv2.resize(texture, size, interpolation=cv2.INTER_CUBIC)[..., ::-1]
    top = random.randint(0, texture.shape[0] - height)
    left = random.randint(0, texture.shape[1] - width)
    return image * x + ice * texture[top : top + height, left : left + width] / 255


def frost_folder() -> Path | None:
    """Folder with the pictures of frost, None without the package; which need not run for it."""
    spec = importlib.util.find_spec("imagecorruptions")
    folders = (
        [Path(each) / "frost" for each in (spec.submodule_search_locations or ())] if spec else []
    )
    return next((each for each in folders if all((each / t).is_file() for t in _TEXTURES)), None)
