"""Placing and painting the objects of one scene."""

import colorsys
from dataclasses import dataclass

import numpy as np

from .shapes import SHAPES, outline, rasterize

#: The share of each object that nothing hides, at least.
MIN_VISIBLE = 0.6

_MIN_PIXELS = 4
_TRIES = 12


def smallest_side(short_edge: int) -> float:
    """Longer side of the smallest objects in an image with this shorter edge, in pixels."""
    return max(4.0, short_edge / 32)


@dataclass(frozen=True)
class SceneObject:
    """Annotated object, or group of objects, of a scene.

    Attributes:
        label: index into :data:`~quickstart.data.shapes.SHAPES`.
        mask: bool (H, W), the pixels that show it. Of a crowd, the region that contains it.
        crowd: whether it stands for a group of objects that are not annotated one by one.
    """

    label: int
    mask: np.ndarray
    crowd: bool = False


@dataclass(frozen=True)
class Scene:
    """Image, uint8 (H, W, 3) in RGB, and the objects to be found in it."""

    image: np.ndarray
    objects: list[SceneObject]


class Canvas:
    """An image under construction, with a map that tells which thing each pixel shows."""

    def __init__(self, rng: np.random.Generator, image: np.ndarray) -> None:
        self.rng = rng
        self.image = image
        self.height, self.width = image.shape[:2]
        self.owner = np.zeros((self.height, self.width), np.int32)  # 0: background
        self.labels: list[int] = []
        self.crowds: list[bool] = []
        self.full_areas: list[int] = []

    def scene(self) -> Scene:
        objects = [
            SceneObject(label, self.owner == number, crowd)
            for number, (label, crowd) in enumerate(zip(self.labels, self.crowds, strict=True), 1)
        ]
        return Scene(np.round(self.image).astype(np.uint8), objects)

    def add_object(self, label: int, size: float) -> None:
        """Add an object where enough of it and of the earlier things stays visible, if anywhere.

        What would be hidden too much is left out of the image as well, so that everything that can
        be seen is annotated.
        """
        contours = self._contours(label)
        for _ in range(_TRIES):
            center = self._position(size)
            coverage, top, left = rasterize([points * size + center for points in contours])
            if self._claim(coverage > 0.5, top, left, label):
                self._paint(label, size, coverage, top, left)
                return

    def add_crowd(self, label: int) -> None:
        """Add a group of tiny objects that is annotated as one region."""
        short = min(self.height, self.width)
        radius = short * self.rng.uniform(0.1, 0.2)
        center = self._position(2 * radius)
        region = np.zeros((self.height, self.width), bool)
        painted = []
        for _ in range(self.rng.integers(10, 25)):
            size = smallest_side(short) * self.rng.uniform(1, 1.5)
            place = center + self.rng.uniform(-1, 1, 2) * (radius, 0.6 * radius)
            contours = [points * size + place for points in self._contours(label)]
            painted.append((size, *rasterize(contours)))
            margin = size / 2 + short / 64
            top, left = np.maximum(np.floor(place[::-1] - margin), 0).astype(int)
            bottom, right = np.maximum(np.ceil(place[::-1] + margin), 0).astype(int)
            region[top:bottom, left:right] = True
        if self._claim(region, 0, 0, label, crowd=True):
            for size, coverage, top, left in painted:
                self._paint(label, size, coverage, top, left)

    def _contours(self, label: int) -> list[np.ndarray]:
        aspect = float(np.exp(self.rng.uniform(-0.35, 0.35)))
        return outline(SHAPES[label], aspect=aspect, angle=self.rng.uniform(-0.4, 0.4))

    def _position(self, size: float) -> np.ndarray:
        """Draw the (x, y) of a center from which a box of this size reaches at most 15% outside."""
        edges = np.array([self.width, self.height])
        margin = np.minimum(0.35 * size, 0.45 * edges)
        return self.rng.uniform(margin, edges - margin)

    def _claim(
        self, mask: np.ndarray, top: int, left: int, label: int, crowd: bool = False
    ) -> bool:
        """Give the pixels of the mask to a new object, unless too little of one stays visible."""
        inside, window = self._clip(mask.shape, top, left)
        full_area, visible = int(mask.sum()), mask[inside]
        if visible.sum() < max(MIN_VISIBLE * full_area, _MIN_PIXELS):
            return False
        owner = self.owner.copy()
        owner[window][visible] = len(self.labels) + 1
        areas = np.bincount(owner.ravel(), minlength=len(self.labels) + 2)[1:]
        if np.any(areas[:-1] < np.maximum(MIN_VISIBLE * np.array(self.full_areas), _MIN_PIXELS)):
            return False
        self.owner = owner
        self.labels.append(label)
        self.crowds.append(crowd)
        self.full_areas.append(full_area)
        return True

    def _clip(
        self, shape: tuple[int, ...], top: int, left: int
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Slices of the part of a patch that lies in the image: of the patch, and of the image."""
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + shape[0], self.height), min(left + shape[1], self.width)
        y1, x1 = max(y0, y1), max(x0, x1)
        return (
            (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)),
            (slice(y0, y1), slice(x0, x1)),
        )

    def _paint(self, label: int, size: float, coverage: np.ndarray, top: int, left: int) -> None:
        inside, window = self._clip(coverage.shape, top, left)
        alpha = coverage[inside][..., None]
        if not alpha.any():
            return
        under = self.image[window]
        color = _contrasting_color(self.rng, label, (under * alpha).sum((0, 1)) / alpha.sum())
        texture = _texture(self.rng, coverage.shape[0], coverage.shape[1], size)[inside]
        self.image[window] = under + alpha * (np.clip(color + texture, 0, 255) - under)


def _contrasting_color(rng: np.random.Generator, label: int, under: np.ndarray) -> np.ndarray:
    """Pick a color near the class's typical hue that stands out from the mean color below it."""
    best, best_distance = under, -1.0
    for _ in range(8):
        hue = (label / len(SHAPES) + rng.normal(0, 0.03)) % 1.0
        rgb = colorsys.hsv_to_rgb(hue, rng.uniform(0.7, 1.0), rng.uniform(0.7, 1.0))
        color = 255 * np.array(rgb)
        distance = float(np.linalg.norm(color - under))
        if distance > best_distance:
            best, best_distance = color, distance
        if distance > 110:
            break
    return best


def _texture(rng: np.random.Generator, height: int, width: int, size: float) -> np.ndarray:
    """Texture to add to an object's color: float (height, width, 1)."""
    y, x = np.mgrid[:height, :width] / size
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    kind = rng.choice(["plain", "gradient", "stripes", "noise"])
    if kind == "gradient":
        added = rng.uniform(30, 70) * (along - along.mean())
    elif kind == "stripes" and size > 16:
        added = rng.uniform(15, 35) * np.sign(np.sin(2 * np.pi * rng.uniform(2, 5) * along))
    elif kind == "noise":
        added = rng.normal(0, rng.uniform(5, 14), (height, width))
    else:
        added = np.zeros((height, width))
    return added[..., None]
