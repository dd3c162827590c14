import numpy as np
import pycocotools.mask as coco_mask
import pytest

from quickstart.data.polygons import mask_to_polygons, mask_to_run_lengths


def parse(picture: str) -> np.ndarray:
    return np.array([[char == "#" for char in row] for row in picture.split()])


MASKS = {
    "pixel": "... .#. ...",
    "whole": "### ###",
    "steps": "#... ##.. ###. ####",
    "corner_to_corner": "##.. ##.. ..## ..##",
    "ring": "##### #...# #...# #####",
    "two_holes": "....... .#####. .#.#.#. .#####.",
    "hole_touching_a_corner": "##### #.### ##.## #####",
    "island_in_a_hole": "##### #...# #.#.# #...# #####",
    "thin_lines": "..#.. ..#.. ##### ..#.. ..#..",
}


def decode(polygons: list[list[float]], mask: np.ndarray) -> np.ndarray:
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *mask.shape)))


@pytest.mark.parametrize("name", MASKS)
def test_pycocotools_gives_the_mask_again(name):
    mask = parse(MASKS[name])
    polygons = mask_to_polygons(mask)
    assert all(len(polygon) >= 8 and len(polygon) % 2 == 0 for polygon in polygons)
    np.testing.assert_array_equal(decode(polygons, mask), mask)
    run_lengths = coco_mask.frPyObjects(mask_to_run_lengths(mask), *mask.shape)
    np.testing.assert_array_equal(coco_mask.decode(run_lengths), mask)


@pytest.mark.parametrize("seed", range(30))
def test_random_masks_come_back(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 24, 2)) < rng.uniform(0.1, 0.9)
    mask[0, 0] = True
    np.testing.assert_array_equal(decode(mask_to_polygons(mask), mask), mask)


def test_pixel_edges():
    assert mask_to_polygons(parse("... .##")) == [[1.0, 1.0, 1.0, 2.0, 3.0, 2.0, 3.0, 1.0]]
    assert mask_to_polygons(np.zeros((4, 4), bool)) == []


def test_run_lengths_begin_with_zeros():
    assert mask_to_run_lengths(parse("#. ##")) == {"size": [2, 2], "counts": [0, 2, 1, 1]}
    assert mask_to_run_lengths(np.zeros((2, 3), bool)) == {"size": [2, 3], "counts": [6]}
