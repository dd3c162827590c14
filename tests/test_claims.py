"""What SEPC's paper says of scale, on exact Gaussian pyramids, to rounding."""

import pytest
import torch

from sepc import build_sepc
from sepc.layers import Towers
from studies.equivariance import (
    CASES,
    LEVELS,
    errors_on_exact_pyramids,
    maps_on_the_way,
    similarity,
)
from studies.scale_space import BLUR, random_blobs

from .helpers import make_pyramid, randomize

# Levels of the half-size image: its last one has no partner in the whole one.
ALL = set(range(LEVELS - 1))
ENDS = {0, LEVELS - 2}
# Which levels of a half-size image come out other than one level coarser in the whole one.
DIFFER = {
    "plain tower": set(),
    "plain tower, GN on each level": set(),
    "plain tower, iBN": set(),
    "plain tower, BN per level": ALL,
    "plain tower, iBN in training": ALL,
    "1 pyramid convolution": ENDS,
    "2 pyramid convolutions": ENDS | {1, LEVELS - 3},
    "1 pyramid convolution that deforms": ENDS,
    "plain convolution that deforms": {0},
}


@pytest.mark.parametrize("case", CASES)
def test_equivariance_to_scale(case):
    errors = errors_on_exact_pyramids(case)
    assert {level for level, error in enumerate(errors) if error > 1e-12} == DIFFER[case]
    assert all(errors[level] > 1e-4 for level in DIFFER[case])


def test_pyramid_is_gaussian():
    """A level is the image's integral with a Gaussian about the centers of the level's cells."""
    blobs = random_blobs(16, channels=1, count=5)
    level, sigma = 2, BLUR * 4
    fine = torch.arange(-40.0, 56.0, 0.25, dtype=torch.float64)

    def bell(center, width):
        y, x = ((fine - place).square() for place in center)
        return torch.exp(-(y[:, None] + x) / (2 * width**2))

    parts = zip(blobs.heights[0], blobs.centers, blobs.widths, strict=True)
    image = sum(height * bell(center, width) for height, center, width in parts)
    found = blobs.pyramid(16, level + 1)[level][0, 0]
    for row, column in ((0, 0), (1, 3), (2, 2)):
        weights = bell(((row + 0.5) * 4, (column + 0.5) * 4), sigma)
        torch.testing.assert_close(found[row, column], (image * weights).sum() / weights.sum())


def test_half_the_size_is_the_pyramid_without_its_finest_level():
    blobs = random_blobs(64, channels=3)
    whole, half = blobs.pyramid(64, 4), blobs.scaled(0.5).pyramid(32, 3)
    torch.testing.assert_close(half, whole[1:])
    assert whole[1].std() > 0.01


def test_similarity():
    x, y = make_pyramid([(5, 6), (5, 6)], 4)
    assert similarity(x, x) == pytest.approx(1)
    assert 0.9 < similarity(x, x + 0.1 * y) < 1
    assert abs(similarity(x, y)) < 0.2
    assert similarity(x, y + 9) < -0.9


@pytest.mark.parametrize("trunk", ["pconv_ibn", "sepc", "plain"])
def test_maps_on_the_way(trunk):
    make = Towers if trunk == "plain" else lambda **kw: build_sepc(trunk, num_stages=3, **kw)
    options = {"norm": "BN"} if trunk == "plain" else {}
    module = randomize(make(in_channels=4, **options)).eval()
    pyramid = make_pyramid([(6, 8), (3, 4)], 4)
    found = maps_on_the_way(torch.nn.Sequential(module), pyramid)
    assert list(found) == ["before", "1", "2", "3", "classification", "localization"]
    last = module.cls_tower.convs[3] if trunk == "plain" else module.cls_branch.conv
    norm = module.cls_tower.norms[3] if trunk == "plain" else module.cls_branch.norm
    with torch.no_grad():
        torch.testing.assert_close(norm(last(found["3"]), relu=True), found["classification"])
    assert found["before"] is pyramid
