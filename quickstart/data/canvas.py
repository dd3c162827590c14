"""Placing and painting the objects of one scene."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .shapes import OUTLINES, Contours, class_contours, contours, rasterize, typical_hues

#: The share of each object that nothing hides, at least.
MIN_VISIBLE = 0.8
#: Distance in RGB of an object's color from what lies below it.
MIN_CONTRAST = 80
#: Of the objects of one outline, or with one mark, from their typical hue; 1 is the whole circle.
HUE_DEVIATION = 0.03

_MIN_PIXELS = 4
_TRIES = 12


def smallest_side(short_edge: int) -> float:
    """Longer side of the smallest objects in an image with this shorter edge, in pixels."""
    return max(4.0, short_edge / 16)


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
        self.labels: list[int | None] = []
        self.crowds: list[bool] = []
        self.full_areas: list[int] = []

    def scene(self) -> Scene:
        objects = [
            SceneObject(label, self.owner == number, crowd)
            for number, (label, crowd) in enumerate(zip(self.labels, self.crowds, strict=True), 1)
            if label is not None
        ]
        return Scene(np.round(self.image).astype(np.uint8), objects)

    def add_object(self, label: int | None, size: float) -> None:
        """Add an object where enough of it and of the earlier things stays visible, if anywhere.

        What would be hidden too much is left out of the image as well, so that everything that can
        be seen is annotated.

        Args:
            label: index of its class; None for a thing of no class, which is not annotated.
            size: longer side in pixels.
        """
        shape = self._contours(label)
        for _ in range(_TRIES):
            placed = shape.placed(size, self._position(size))
            coverage, top, left = rasterize([placed.outline])
            if self._claim(coverage > 0.5, top, left, label):
                self._paint(placed, size, label)
                return

    def add_crowd(self, label: int) -> None:
        """Add a group of tiny objects that is annotated as one region."""
        short = min(self.height, self.width)
        radius = short * self.rng.uniform(0.1, 0.2)
        center = self._position(2 * radius)
        region = np.zeros((self.height, self.width), bool)
        members = []
        for _ in range(self.rng.integers(10, 25)):
            size = smallest_side(short) * self.rng.uniform(0.6, 0.9)
            place = center + self.rng.uniform(-1, 1, 2) * (radius, 0.6 * radius)
            members.append((self._contours(label).placed(size, place), size))
            margin = size / 2 + short / 64
            top, left = np.maximum(np.floor(place[::-1] - margin), 0).astype(int)
            bottom, right = np.maximum(np.ceil(place[::-1] + margin), 0).astype(int)
            region[top:bottom, left:right] = True
        if self._claim(region, 0, 0, label, crowd=True):
            for placed, size in members:
                self._paint(placed, size, label)

    def _contours(self, label: int | None) -> Contours:
        form = dict(
            aspect=float(np.exp(self.rng.uniform(-0.5, 0.5))), angle=self.rng.uniform(-0.5, 0.5)
        )
        if label is None:  # blank, or of no known form
            blank = int(self.rng.integers(2 * len(OUTLINES)))
            if blank < len(OUTLINES):
                return contours(OUTLINES[blank], None, **form)
            return Contours(_lump(self.rng), [])
        return class_contours(label, **form)

    def _position(self, size: float) -> np.ndarray:
        """Draw the (x, y) of a center from which a box of this size reaches at most 15% outside."""
        edges = np.array([self.width, self.height])
        margin = np.minimum(0.35 * size, 0.45 * edges)
        return self.rng.uniform(margin, edges - margin)

    def _claim(
        self, mask: np.ndarray, top: int, left: int, label: int | None, crowd: bool = False
    ) -> bool:
        """Give the pixels of the mask to a new thing, unless too little of one stays visible."""
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

    def _paint(self, shape: Contours, size: float, label: int | None) -> None:
        """Paint a shape near the typical hues of its outline and its mark; clutter in any."""
        hue, mark_hue = self.rng.random(2) if label is None else typical_hues(label)
        coverage, top, left = rasterize([shape.outline])
        inside, window = self._clip(coverage.shape, top, left)
        alpha = coverage[inside][..., None]
        if not alpha.any():
            return
        fall = 1 + int(0.03 * size)
        self._blend(0.45 * coverage, top + fall, left + fall // 2, lambda at: np.zeros(1))
        below = (self.image[window] * alpha).sum((0, 1)) / alpha.sum()
        body, texture = _contrasting_color(self.rng, hue, below), _texture(self.rng, size)
        self._blend(coverage, top, left, lambda at: body + texture(at))
        if shape.mark:
            color = _contrasting_color(self.rng, mark_hue, body)
            self._blend(*rasterize(shape.mark), lambda at: color + 0.5 * texture(at))

    def _blend(
        self, alpha: np.ndarray, top: int, left: int, color: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        """Blend a color, a function of places (h, w, 2) as (x, y), into the image."""
        inside, (rows, columns) = self._clip(alpha.shape, top, left)
        if not (share := alpha[inside][..., None]).size:
            return
        y, x = np.ogrid[rows, columns]
        at = np.stack(np.broadcast_arrays(x, y), axis=-1).astype(np.float32)
        under = self.image[rows, columns]
        self.image[rows, columns] = under + share * (np.clip(color(at), 0, 255) - under)


def _lump(rng: np.random.Generator) -> np.ndarray:
    """Outline of an irregular thing, its longer side 1, around zero."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 9)))
    radii = rng.uniform(0.35, 1.0, len(angles))[:, None]
    points = radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lower, upper = points.min(axis=0), points.max(axis=0)
    return (points - (lower + upper) / 2) / (upper - lower).max()


def _contrasting_color(rng: np.random.Generator, hue: float, under: np.ndarray) -> np.ndarray:
    """Draw a color near a hue, RGB in [0, 255], that stands out from another one."""
    best, best_distance = under, -1.0
    for _ in range(8):
        near = (hue + rng.normal(0, HUE_DEVIATION)) % 1.0
        rgb = colorsys.hsv_to_rgb(near, rng.uniform(0.5, 1.0), rng.uniform(0.4, 1.0))
        color = 255 * np.array(rgb, np.float32)
        distance = float(np.linalg.norm(color - under))
        if distance > best_distance:
            best, best_distance = color, distance
        if distance > MIN_CONTRAST:
            break
    return best


def _texture(rng: np.random.Generator, size: float) -> Callable[[np.ndarray], np.ndarray]:
    """Draw a texture: places (h, w, 2) in pixels -> what to add to a color there, (h, w, 1)."""
    angle, phase = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)], np.float32) / size
    shade, kind = rng.uniform(20, 60), rng.integers(3)
    waves, strength = rng.uniform(2, 5), rng.uniform(8, 20)

    def texture(at: np.ndarray) -> np.ndarray:
        along = at @ direction
        added = shade * (along - along.mean())
        if kind == 1 and size > 16:
            added += strength * np.sign(np.sin(2 * np.pi * waves * along + phase))
        elif kind == 2:
            across = at @ direction[::-1]
            added += strength * np.sin(9 * waves * along + phase) * np.sin(11 * waves * across)
        return added[..., None]

    return texture
