"""Generator of scenes with objects of several classes over four octaves of size."""

from collections.abc import Sequence

import numpy as np

from .background import background
from .canvas import Canvas, Scene, smallest_side
from .shapes import SHAPES

#: Changes whenever the same seed gives other scenes than before.
GENERATOR_VERSION = 4

EMPTY_SHARE = 0.04
CROWD_SHARE = 0.06
MAX_OBJECTS = 6
MAX_CLUTTER = 1

# Sizes of COCO's objects in shares of the image have the quantiles 0.024 (10 %), 0.106 (50 %) and
# 0.472 (90 %) (https://arxiv.org/abs/1711.08189, Sec. 1): a log-normal distribution, whose
# standard deviation is
SIZE_OCTAVES = np.log2(0.472 / 0.024) / (2 * 1.2816)
# An image of 128 pixels has a quarter of the cells of COCO's 800 to 1333 along a side: with objects
# twice as large in the image, what is left out are those of less than two cells.
MEDIAN_SIZE = 2 * 0.106
LARGEST = 1.15
_SPLITS = {"train": 0, "val": 1}


def generate_scene(
    *,
    seed: int,
    split: str,
    index: int,
    height: int,
    width: int,
    sizes: Sequence[float] | None = None,
) -> Scene:
    """Make one scene, which depends on nothing but the arguments.

    The longer sides of the objects span four octaves, from 1/16 of the image's shorter edge (at
    least 4 pixels) to a little over the edge itself, with COCO's shares of each octave. Objects are
    turned a little, cover each other and reach over the border of the image, but most of each stays
    visible. Among them lies clutter: the same outlines without a mark, and irregular lumps. Each
    outline and each mark has a typical hue, from which objects differ more or less; textures tell
    nothing of the class.

    Args:
        seed: of the data set.
        split: ``"train"`` or ``"val"``.
        index: of the scene in its split, from 0.
        height, width: of the image in pixels.
        sizes: lowest and highest longer side in pixels, in place of COCO's shares: every octave is
            as frequent, and there are no crowds, whose objects would be smaller.

    Raises:
        ValueError: for an unknown split, a negative seed or index, an edge below 32 pixels, or
            sizes that are not 4 pixels to the shorter edge, in this order.
    """
    if split not in _SPLITS:
        raise ValueError(f"expected a split among {', '.join(_SPLITS)}, got {split!r}")
    if seed < 0 or index < 0:
        raise ValueError(f"expected seed and index >= 0, got seed {seed}, index {index}")
    if min(height, width) < 32:
        raise ValueError(f"expected images of at least 32 x 32 pixels, got {height} x {width}")
    if sizes and not 4 <= sizes[0] < sizes[1] <= min(height, width):
        raise ValueError(
            f"expected sizes from 4 to {min(height, width)} pixels, the lower one first, "
            f"got {sizes[0]:g} and {sizes[1]:g}"
        )
    rng = np.random.default_rng(np.random.SeedSequence([seed, _SPLITS[split], index]))
    canvas = Canvas(rng, background(rng, height, width))
    if rng.random() < EMPTY_SHARE:
        return canvas.scene()
    if sizes is None and rng.random() < CROWD_SHARE:
        canvas.add_crowd(int(rng.integers(len(SHAPES))))
    labels: list[int | None] = list(
        rng.integers(len(SHAPES), size=rng.integers(1, MAX_OBJECTS + 1))
    )
    labels += [None] * int(rng.integers(MAX_CLUTTER + 1))
    if sizes is None:
        drawn = _sizes(rng, len(labels), min(height, width))
    else:
        drawn = 2 ** rng.uniform(np.log2(sizes[0]), np.log2(sizes[1]), len(labels))
    # Mostly the small ones lie on top, as otherwise the large ones would hide them.
    for index in np.argsort(-drawn * np.exp(rng.normal(0, 0.5, len(drawn)))):
        canvas.add_object(labels[index], float(drawn[index]))
    return canvas.scene()


def _sizes(rng: np.random.Generator, count: int, short_edge: int) -> np.ndarray:
    """Draw longer sides (count,) in pixels: COCO's shares of octaves, cut off at both ends."""
    low, high = np.log2(smallest_side(short_edge)), np.log2(LARGEST * short_edge)
    octaves = np.full(count, -np.inf)
    while (outside := (octaves < low) | (octaves > high)).any():
        median = np.log2(MEDIAN_SIZE * short_edge)
        octaves[outside] = rng.normal(median, SIZE_OCTAVES, int(outside.sum()))
    return 2**octaves
