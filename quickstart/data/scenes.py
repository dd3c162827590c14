"""Generator of scenes with objects of several classes over five octaves of size."""

import numpy as np

from .background import background
from .canvas import Canvas, Scene, smallest_side
from .shapes import SHAPES

#: Changes whenever the same seed gives other scenes than before.
GENERATOR_VERSION = 1

EMPTY_SHARE = 0.04
CROWD_SHARE = 0.06
MAX_OBJECTS = 6
_SPLITS = {"train": 0, "val": 1}


def generate_scene(*, seed: int, split: str, index: int, height: int, width: int) -> Scene:
    """Make one scene, which depends on nothing but the arguments.

    The longer sides of the objects span five octaves, from 1/32 of the image's shorter edge (at
    least 4 pixels) to a little over the edge itself, with fewer at both ends. Objects are turned a
    little, cover each other and reach over the border of the image, but most of each stays
    visible. Each class has a typical color from which its objects differ more or less, so that
    the smallest can be told apart.

    Args:
        seed: of the data set.
        split: ``"train"`` or ``"val"``.
        index: of the scene in its split, from 0.
        height, width: of the image in pixels.

    Raises:
        ValueError: for an unknown split, a negative seed or index, or an edge below 32 pixels.
    """
    if split not in _SPLITS:
        raise ValueError(f"expected a split among {', '.join(_SPLITS)}, got {split!r}")
    if seed < 0 or index < 0:
        raise ValueError(f"expected seed and index >= 0, got seed {seed}, index {index}")
    if min(height, width) < 32:
        raise ValueError(f"expected images of at least 32 x 32 pixels, got {height} x {width}")
    rng = np.random.default_rng(np.random.SeedSequence([seed, _SPLITS[split], index]))
    canvas = Canvas(rng, background(rng, height, width))
    if rng.random() < EMPTY_SHARE:
        return canvas.scene()
    if rng.random() < CROWD_SHARE:
        canvas.add_crowd(int(rng.integers(len(SHAPES))))
    short = min(height, width)
    smallest, largest = smallest_side(short), 1.15 * short
    count = int(rng.integers(1, MAX_OBJECTS + 1))
    # in octaves; the ends are rarer than the middle
    sizes = smallest * (largest / smallest) ** rng.beta(2.0, 1.5, count)
    # Mostly the small ones lie on top, as otherwise the large ones would hide them.
    for size in sizes[np.argsort(-sizes * np.exp(rng.normal(0, 0.5, count)))]:
        canvas.add_object(int(rng.integers(len(SHAPES))), float(size))
    return canvas.scene()
