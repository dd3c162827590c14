"""The 15 corruptions of ImageNet-C (https://arxiv.org/abs/1903.12261) at 5 severities.

As the package imagecorruptions makes them, without what it needs (scikit-image, SciPy): the same
pixels within one level for the same random numbers. For images of color.
"""

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import RandomState
from PIL import Image

from . import weather
from .filters import gaussian, motion_blur, sample_reflected, zoom_center

SEVERITIES = (1, 2, 3, 4, 5)


def _gaussian_noise(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    return x + random.normal(0, (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1], x.shape)


def _shot_noise(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    photons = (60, 25, 12, 5, 3)[severity - 1]
    return random.poisson(x * photons) / photons


def _impulse_noise(x: np.ndarray, severity: int, random: np.random.Generator) -> np.ndarray:
    flipped = random.random(x.shape) <= (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    white = random.random(x.shape) <= 0.5
    return np.where(flipped, white.astype(float), x)


def _defocus_blur(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    radius, sigma = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    reach, kernel_size = (8, 3) if radius <= 8 else (radius, 5)
    line = np.arange(-reach, reach + 1)
    disk = (line**2 + line[:, None] ** 2 <= radius**2).astype(np.float32)
    disk = cv2.GaussianBlur(disk / disk.sum(), (kernel_size, kernel_size), sigmaX=sigma)
    return cv2.filter2D(x, -1, disk)


def _glass_blur(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    """Blur around pixels that take the place of others near them, one after the other.

    It is written as an exchange in the original, where one of the two pixels is lost; so here.
    """
    sigma, reach, rounds = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[
        severity - 1
    ]

    def blurred(y: np.ndarray) -> np.ndarray:
        return gaussian(y, (sigma, sigma), truncate=4, border=cv2.BORDER_REPLICATE)

    height, width = x.shape[:2]
    rows, columns = np.meshgrid(
        np.arange(height - reach, reach, -1), np.arange(width - reach, reach, -1), indexing="ij"
    )
    source = list(range(height * width))  # which pixel stands at each place
    for _ in range(rounds):
        right, down = random.randint(-reach, reach, size=(rows.size, 2)).T
        targets = (rows * width + columns).ravel()
        for target, origin in zip(
            targets.tolist(), (targets + down * width + right).tolist(), strict=True
        ):
            source[target] = source[origin]
    smooth = np.floor(blurred(x) * 255) / 255
    return blurred(smooth.reshape(-1, 3)[source].reshape(x.shape))


def _motion_blur(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    return motion_blur(x, radius, sigma, random.uniform(-45, 45))


def _zoom_blur(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    end, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity - 1]
    factors = np.arange(1, end, step)
    height, width = x.shape[:2]
    layers = [zoom_center(x, factor)[:height, :width] for factor in factors]
    return (x + sum(layers)) / (len(layers) + 1)


def _brightness(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    """A higher value at the same hue and saturation: all channels times the same."""
    value = x.max(axis=2, keepdims=True)
    brighter = np.minimum(value + (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1], 1)
    return np.where(value > 0, x / np.where(value > 0, value, 1), 1) * brighter


def _contrast(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    mean = x.mean(axis=(0, 1))
    return (x - mean) * (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1] + mean


def _elastic_transform(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    """Smooth random displacements; unlike its first form, without an affine transform."""
    amount = (12.5, 16.25, 21.25, 25.0, 30.0)[severity - 1]
    height, width = x.shape[:2]
    most = 0.005 * height  # for both directions
    right, down = (
        amount
        * gaussian(
            random.uniform(-most, most, (height, width)),
            (0.01 * height, 0.01 * width),
            truncate=3,
            border=cv2.BORDER_REFLECT,
        )
        for _ in range(2)
    )
    rows, columns = np.mgrid[:height, :width]
    return sample_reflected(x, rows + down, columns + right)


def _pixelate(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width = x.shape[:2]
    small = max(int(width * share), 1), max(int(height * share), 1)
    image = Image.fromarray(_to_bytes(x)).resize(small, Image.Resampling.BOX)
    return np.asarray(image.resize((width, height), Image.Resampling.NEAREST)) / 255


def _jpeg_compression(x: np.ndarray, severity: int, random: RandomState) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(_to_bytes(x)).save(file, "JPEG", quality=(25, 18, 15, 10, 7)[severity - 1])
    return np.asarray(Image.open(file)) / 255


CORRUPTIONS: dict[str, Callable[[np.ndarray, int, RandomState], np.ndarray]] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,  # type: ignore[dict-item]  # see corrupt
    "defocus_blur": _defocus_blur,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic_transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg_compression,
}


def corrupt(image: np.ndarray, name: str, severity: int, *, seed: int) -> np.ndarray:
    """Corrupt an image.

    Args:
        image: (H, W, 3), uint8, RGB; it stays as it is.
        name: of :data:`CORRUPTIONS`.
        severity: 1 to 5.
        seed: of what is random; the same one gives the same image.

    Raises:
        ValueError: for another image, name or severity.
        FileNotFoundError: for frost without the package imagecorruptions.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"expected an image (H, W, 3) of uint8, got {image.shape} of {image.dtype}"
        )
    if name not in CORRUPTIONS:
        raise ValueError(f"expected a corruption among {', '.join(CORRUPTIONS)}, got {name!r}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity: expected 1 to 5, got {severity}")
    # the original of impulse noise draws from a generator of the newer kind
    new = name == "impulse_noise"
    random: RandomState = np.random.default_rng(seed) if new else RandomState(seed)  # type: ignore
    return _to_bytes(CORRUPTIONS[name](image / 255, severity, random))


def available() -> list[str]:
    """The corruptions that can be made here: all but frost without its pictures."""
    return [name for name in CORRUPTIONS if name != "frost" or weather.frost_folder()]


def _to_bytes(x: np.ndarray) -> np.ndarray:
    """Levels of values in [0, 1], cut off and not rounded, as the original does."""
    return (np.clip(x, 0, 1) * 255 + 1e-9).astype(np.uint8)
