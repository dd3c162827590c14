"""Shifts of generated images: the same scenes as another camera might show them."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

Shift = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def _contrast(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Take contrast away, and darken."""
    return (image - 127.5) * rng.uniform(0.4, 0.6) + 127.5 - rng.uniform(20, 40)


def _blur(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, ksize=(0, 0), sigmaX=rng.uniform(0.6, 0.9))


def _noise(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    noise = rng.normal(0, rng.uniform(6, 10), image.shape)
    return image + noise.astype(np.float32)


def _color(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Add a warm cast, as of evening light."""
    gains = np.array([1.2, 1.0, 0.7]) * rng.uniform(0.95, 1.05, 3)
    return image * gains.astype(np.float32)


#: In the order in which they are applied.
SHIFTS: dict[str, Shift] = {
    "contrast": _contrast,
    "color": _color,
    "blur": _blur,
    "noise": _noise,
}


def shift_image(
    image: np.ndarray, shifts: Sequence[str], *, seed: int, split: str, index: int
) -> np.ndarray:
    """Change an image by some shifts; each varies a little from image to image.

    Args:
        image: uint8 (H, W, 3) in RGB.
        shifts: names in :data:`SHIFTS`, in any order.
        seed, split, index: of the scene; the result depends on nothing else.

    Returns:
        uint8 (H, W, 3), a new array.

    Raises:
        ValueError: for an unknown name; the known ones are listed.
    """
    check_shifts(shifts)
    shifted = image.astype(np.float32)
    for number, (name, shift) in enumerate(SHIFTS.items()):
        if name in shifts:  # with random numbers of its own, so that each can be had alone
            entropy = [seed, int(split == "train"), index, number + 1]
            shifted = shift(np.random.default_rng(np.random.SeedSequence(entropy)), shifted)
    return np.clip(shifted + 0.5, 0, 255).astype(np.uint8)


def check_shifts(shifts: Sequence[str]) -> None:
    """Raise ValueError for a name that is none of :data:`SHIFTS`."""
    unknown = [name for name in shifts if name not in SHIFTS]
    if unknown:
        raise ValueError(f"expected shifts among {', '.join(SHIFTS)}, got {', '.join(unknown)}")
