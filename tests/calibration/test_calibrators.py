import numpy as np
import pytest

from sepc.calibration.calibrators import (
    CALIBRATORS,
    Identity,
    Isotonic,
    Linear,
    Platt,
    Temperature,
    fit_calibrator,
    from_dict,
    to_dict,
)

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.uniform(0, 1, 200)
TARGETS = np.clip(SCORES**2 + RANDOM.normal(0, 0.1, 200), 0, 1)


def least_squares_isotonic(x, y):
    """Isotonic regression by its minimax formula: max over a of min over b of the mean of a..b."""
    y = y[np.argsort(x)]
    n = len(y)
    return [
        max(min(y[a : b + 1].mean() for b in range(i, n)) for a in range(i + 1)) for i in range(n)
    ]


def test_isotonic_is_the_minimax_formula():
    x, y = SCORES[:25], TARGETS[:25]
    np.testing.assert_allclose(Isotonic.fit(x, y)(np.sort(x)), least_squares_isotonic(x, y))


def test_isotonic_averages_equal_scores_and_is_constant_beyond_the_ends():
    found = Isotonic.fit(np.array([0.3, 0.3, 0.6]), np.array([0.0, 0.4, 0.8]))
    np.testing.assert_allclose(
        found(np.array([0.0, 0.3, 0.45, 0.6, 1.0])), [0.2, 0.2, 0.5, 0.8, 0.8]
    )


def test_linear_does_not_fall():
    np.testing.assert_allclose(Linear.fit(SCORES, 1 - SCORES)(SCORES), (1 - SCORES).mean())
    np.testing.assert_allclose(Linear.fit(SCORES, SCORES / 2)(SCORES), SCORES / 2, atol=1e-12)
    same = Linear.fit(np.array([0.4, 0.4]), np.array([0.0, 1.0]))
    assert same(np.array([0.1, 0.9])).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("scale, shift", [(0.5, -1.0), (2.0, 0.3)])
def test_platt_finds_the_sigmoid_that_made_the_targets(scale, shift):
    targets = Platt(scale, shift)(SCORES)
    found = Platt.fit(SCORES, targets)
    assert (found.scale, found.shift) == pytest.approx((scale, shift))


def test_platt_and_temperature_do_not_fall():
    found = Platt.fit(SCORES, 1 - SCORES)
    assert found.scale == 0
    np.testing.assert_allclose(found(SCORES), (1 - SCORES).mean())
    np.testing.assert_allclose(Temperature.fit(SCORES, 1 - SCORES)(SCORES), 0.5)
    assert Temperature.fit(SCORES, Temperature(0.25)(SCORES)).inverse_temperature == pytest.approx(
        0.25
    )


@pytest.mark.parametrize("kind", CALIBRATORS)
@pytest.mark.parametrize(
    ("scores", "targets"),
    [([0.5], [1.0]), ([0.0, 1.0], [0.0, 1.0]), ([0.2, 0.8], [0.0, 1.0]), ([1.0, 1.0], [1.0, 0.5])],
)
def test_few_detections_give_finite_rising_scores(kind, scores, targets):
    found = fit_calibrator(kind, np.array(scores), np.array(targets))(np.linspace(0, 1, 50))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("kind", CALIBRATORS)
def test_a_calibrator_is_nearer_than_the_scores_and_survives_a_file(kind):
    found = fit_calibrator(kind, SCORES, TARGETS)
    if kind != "temperature":  # whose curve has to go through 0.5
        before, after = np.abs(SCORES - TARGETS).mean(), np.abs(found(SCORES) - TARGETS).mean()
        assert after < before
    again = from_dict(kind, to_dict(found))
    assert (again(SCORES) == found(SCORES)).all()


def test_no_detections_leave_scores_as_they_are():
    assert fit_calibrator("platt", np.zeros(0), np.zeros(0)) == Identity()
    assert from_dict("platt", to_dict(Identity())) == Identity()


@pytest.mark.parametrize(("kind", "parameters"), [("plat", {"scale": 1}), ("platt", {"x": 1})])
def test_other_parameters_are_told(kind, parameters):
    with pytest.raises(ValueError, match=r"expected parameters of a calibrator among .*isotonic"):
        from_dict(kind, parameters)
