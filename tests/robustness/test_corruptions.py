import numpy as np
import pytest

from sepc.robustness import SEVERITIES, available, corrupt

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)


@pytest.mark.parametrize("name", available())
def test_any_size_and_the_same_pixels_for_the_same_seed(name):
    before = IMAGE.copy()
    for severity in SEVERITIES:
        first, again = (corrupt(IMAGE, name, severity, seed=3) for _ in range(2))
        assert first.shape == IMAGE.shape
        assert first.dtype == np.uint8
        assert (first == again).all()
        assert (first != IMAGE).any()
    assert (before == IMAGE).all()


@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "fog", "snow"])
def test_other_seeds_give_other_pixels(name):
    assert (corrupt(IMAGE, name, 1, seed=1) != corrupt(IMAGE, name, 1, seed=2)).any()


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("name", available())
def test_black_and_white_images_stay_finite(name, value):
    image = np.full((16, 24, 3), value, np.uint8)
    with np.errstate(all="raise"):
        assert corrupt(image, name, 5, seed=0).shape == image.shape


def test_severity_is_how_far_it_is_from_the_image():
    distances = [
        np.abs(corrupt(IMAGE, "gaussian_noise", s, seed=0).astype(float) - IMAGE).mean()
        for s in SEVERITIES
    ]
    assert distances == sorted(distances)


@pytest.mark.parametrize(
    ("image", "name", "severity", "message"),
    [
        (IMAGE[..., 0], "fog", 1, r"expected an image \(H, W, 3\) of uint8, got \(37, 50\)"),
        (IMAGE / 255, "fog", 1, "of uint8, got .* of float64"),
        (IMAGE, "rain", 1, "expected a corruption among .*fog.*, got 'rain'"),
        (IMAGE, "fog", 6, "severity: expected 1 to 5, got 6"),
    ],
)
def test_what_it_does_not_take_is_told(image, name, severity, message):
    with pytest.raises(ValueError, match=message):
        corrupt(image, name, severity, seed=0)


def test_frost_tells_what_it_lacks():
    if "frost" not in available():
        with pytest.raises(FileNotFoundError, match="pip install --no-deps imagecorruptions"):
            corrupt(IMAGE, "frost", 1, seed=0)
