import hashlib
import subprocess
import sys
from statistics import NormalDist

import cv2
import numpy as np
import pytest

from quickstart.data import SHAPES, Scene, generate_scene
from quickstart.data.canvas import MIN_VISIBLE, Canvas
from quickstart.data.scenes import _sizes
from quickstart.data.shapes import class_contours, typical_hues


def scene(index: int, *, seed: int = 3, split: str = "train", size: tuple[int, int] = (128, 128)):
    return generate_scene(seed=seed, split=split, index=index, height=size[0], width=size[1])


def digest(made: Scene) -> str:
    content = hashlib.sha256(made.image.tobytes())
    for thing in made.objects:
        content.update(bytes([thing.label, thing.crowd]) + thing.mask.tobytes())
    return content.hexdigest()


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene(index) for index in range(300)]


def longer_side(mask: np.ndarray) -> int:
    return max(np.ptp(axis) + 1 for axis in np.nonzero(mask))


def test_depends_on_the_arguments_only(scenes):
    assert digest(scene(17)) == digest(scenes[17])
    others = [scene(18), scene(17, seed=4), scene(17, split="val")]
    assert digest(scenes[17]) not in [digest(other) for other in others]


def test_same_in_another_process(scenes):
    code = (
        "import hashlib; from quickstart.data import generate_scene\n"
        "s = generate_scene(seed=3, split='train', index=5, height=128, width=128)\n"
        "print(hashlib.sha256(s.image.tobytes()).hexdigest())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "11"},
    )
    assert printed.stdout.strip() == hashlib.sha256(scenes[5].image.tobytes()).hexdigest()


def test_octaves_of_size_have_the_shares_of_coco():
    """Those of the normal distribution with COCO's quantiles, between 8 and 147 pixels."""
    drawn = _sizes(np.random.default_rng(0), 20000, 128)
    assert drawn.min() >= 8 and drawn.max() <= 1.15 * 128
    octaves = [3, 4, 5, 6, 7, np.log2(1.15 * 128)]
    shares, _ = np.histogram(np.log2(drawn), octaves)
    # 80 % lie between the quantiles 0.024 and 0.472, doubled; their middle is 0.106
    coco = NormalDist(
        np.log2(2 * 0.106 * 128), np.log2(0.472 / 0.024) / 2 / NormalDist().inv_cdf(0.9)
    )
    expected = np.diff([coco.cdf(x) for x in octaves])
    np.testing.assert_allclose(shares / 20000, expected / expected.sum(), atol=0.01)


def test_sizes_of_what_is_seen(scenes):
    sides = [longer_side(t.mask) for s in scenes for t in s.objects if not t.crowd]
    assert min(sides) <= 8 and max(sides) == 128
    octaves, _ = np.histogram(sides, [0, 16, 32, 64, 129])
    assert octaves.min() > 0.1 * len(sides)


def test_all_classes_empty_scenes_and_crowds_occur(scenes):
    counts = np.bincount([t.label for s in scenes for t in s.objects], minlength=len(SHAPES))
    assert counts.min() > 0.5 * counts.mean()
    empty = sum(not s.objects for s in scenes)
    assert 3 <= empty <= 30
    crowds = [s for s in scenes if any(t.crowd for t in s.objects)]
    assert 3 <= len(crowds) <= 40


def test_masks_are_disjoint_and_never_empty(scenes):
    for made in scenes:
        if made.objects:
            masks = np.stack([t.mask for t in made.objects])
            assert masks.sum(axis=0).max() == 1
            assert masks.sum(axis=(1, 2)).min() >= 4


def test_some_objects_cover_others(scenes):
    pairs = 0
    for made in scenes:
        boxes = [np.argwhere(t.mask) for t in made.objects if not t.crowd]
        for i, one in enumerate(boxes):
            for other in boxes[i + 1 :]:
                apart = (one.max(0) < other.min(0)) | (other.max(0) < one.min(0))
                pairs += not apart.any()
    assert pairs > len(scenes) / 2


def test_an_object_that_would_be_hidden_too_much_stays_out():
    canvas = Canvas(np.random.default_rng(0), np.zeros((64, 64, 3), np.float32))
    assert canvas._claim(np.ones((10, 10), bool), 20, 20, label=0)
    assert not canvas._claim(np.ones((10, 4), bool), 20, 20, label=1)  # leaves 60%
    assert canvas._claim(np.ones((10, 2), bool), 20, 20, label=1)  # leaves 80%
    assert not canvas._claim(np.ones((10, 10), bool), -4, 40, label=2)  # 60% inside the image
    assert not canvas._claim(np.ones((5, 5), bool), 80, 80, label=2)
    visible = [int(t.mask.sum()) for t in canvas.scene().objects]
    assert visible == [80, 20] and visible[0] >= MIN_VISIBLE * 100


def test_objects_stand_out_from_what_surrounds_them(scenes):
    distances = []
    for made in scenes[:60]:
        for thing in made.objects:
            around = cv2.dilate(thing.mask.astype(np.uint8), np.ones((5, 5))).astype(bool)
            around &= ~thing.mask
            if not thing.crowd and around.any():
                inside = made.image[thing.mask].mean(axis=0)
                distances.append(np.linalg.norm(inside - made.image[around].mean(axis=0)))
    assert np.quantile(distances, 0.1) > 30


def test_outlines_and_marks_have_typical_hues(scenes):
    near = []
    for made in scenes[:100]:
        hues = cv2.cvtColor(made.image, cv2.COLOR_RGB2HSV)[..., 0] / 180
        for thing in made.objects:
            apart = abs(hues[thing.mask] - typical_hues(thing.label)[0])
            near.append(np.median(np.minimum(apart, 1 - apart)) < 0.15)
    assert np.mean(near) > 0.8
    assert len({typical_hues(label) for label in range(len(SHAPES))}) == len(SHAPES)


def test_clutter_is_painted_and_not_annotated():
    canvas = Canvas(np.random.default_rng(1), np.full((64, 64, 3), 128, np.float32))
    canvas.add_object(None, 24.0)
    made = canvas.scene()
    assert made.objects == [] and (made.image != 128).any(axis=2).sum() > 40


def test_the_mark_is_all_that_two_classes_of_one_outline_differ_in():
    one, other = (class_contours(k, aspect=1.2, angle=0.3) for k in (0, 1))
    np.testing.assert_array_equal(one.outline, other.outline)
    assert (len(one.mark), len(other.mark)) == (1, 2)


@pytest.mark.parametrize("size", [(96, 200), (480, 640), (32, 32)])
def test_other_sizes(size):
    made = [scene(index, size=size) for index in range(4)]
    assert all(m.image.shape == (*size, 3) and m.image.dtype == np.uint8 for m in made)
    assert all(t.mask.shape == size for m in made for t in m.objects)


def test_bad_arguments():
    with pytest.raises(ValueError, match="expected a split among train, val, got 'test'"):
        scene(0, split="test")
    with pytest.raises(ValueError, match="got seed -1"):
        scene(0, seed=-1)
    with pytest.raises(ValueError, match="at least 32 x 32 pixels, got 16 x 64"):
        scene(0, size=(16, 64))


def test_sizes_of_a_range_are_even_over_the_octaves():
    made = [
        generate_scene(seed=3, split="val", index=i, height=192, width=192, sizes=(12, 96))
        for i in range(80)
    ]
    sides = [longer_side(thing.mask) for each in made for thing in each.objects]
    assert not any(thing.crowd for each in made for thing in each.objects)
    assert max(sides) <= 98  # a soft edge on either side
    shares = np.histogram(sides, bins=(12, 24, 48, 98))[0] / len(sides)
    assert (shares > 0.2).all(), shares  # what hides some of an object makes it smaller


@pytest.mark.parametrize("sizes", [(48, 16), (2, 16), (16, 200)])
def test_bad_sizes(sizes):
    with pytest.raises(ValueError, match=r"expected sizes from 4 to 128 pixels, the lower one fi"):
        generate_scene(seed=0, split="val", index=0, height=128, width=128, sizes=sizes)
