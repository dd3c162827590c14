"""Calibration of detectors (https://arxiv.org/abs/2405.20459)."""

import math
from typing import Any

import numpy as np

from sepc.calibration import (
    ClassCalibration,
    ClassMatches,
    ScoreCalibration,
    dece,
    detection_bins,
    fit,
    fit_calibrator,
    fit_thresholds,
    laace,
    laece,
    lrp,
    match_classes,
    optimal_threshold,
)
from sepc.calibration.calibrators import Platt, Temperature

from ..case import Case

TIGHT = {"rtol": 0, "atol": 1e-9}
KINDS = {
    "isotonic_regression": "isotonic",
    "linear_regression": "linear",
    "platt_scaling": "platt",
    "temperature_scaling": "temperature",
}
Matches = dict[int, ClassMatches]


def run_metrics(case: Case) -> None:
    content, results, stored = (case.load(name) for name in case.spec["files"])
    values = case.spec["values"]
    for place, iou in {"tau0": 0.0, "tau_1e-12_strict": 1e-12, "tau05": 0.5}.items():
        matches = match_classes(content, results, iou=iou)
        expected = values[f"all_images_{place}"]
        assert list(matches) == expected["class_ids"]
        check_errors(matches, expected)
        check_lrp(matches, expected, iou)
        check_thresholds(matches, values[f"lrp_optimal_{place}"], iou)
        if iou == 0:
            check_matches(matches, stored)
        if iou == 0.5:
            at_first = values["all_images_tau0"]  # D-ECE always is at 0.5
            bins = detection_bins(matches.values(), "hits", 10)
            np.testing.assert_allclose(bins.share, at_first["D_ECE_bin_weight"], **TIGHT)
            np.testing.assert_allclose(bins.target, at_first["D_ECE_bin_precision"], **TIGHT)
            np.testing.assert_allclose(dece(matches.values()), at_first["D_ECE"], **TIGHT)


def check_matches(matches: Matches, stored: dict[str, np.ndarray]) -> None:
    for category, ours in matches.items():
        if f"score/{category}" not in stored:
            assert not ours.num_truths
            continue
        counts = stored[f"tp/{category}"] | stored[f"fp/{category}"]
        for name, value in {"score": ours.scores, "iou": ours.ious, "tp": ours.hits}.items():
            np.testing.assert_allclose(value, stored[f"{name}/{category}"][counts], **TIGHT)


def check_errors(matches: Matches, expected: dict[str, Any]) -> None:
    # the reference writes 0 for a class without objects or detections, and leaves it out
    theirs = [value or math.nan for value in expected["LaECE_per_class"]]
    ours = [laece(each) for each in matches.values()]
    np.testing.assert_allclose(ours, theirs, **TIGHT)
    np.testing.assert_allclose(np.nanmean(ours), expected["LaECE"], **TIGHT)
    ours = [laace(each) for each in matches.values()]
    right = [float(value) for value in expected["LaACE_without_ignored_per_class"]]
    np.testing.assert_allclose(ours, right, **TIGHT)
    np.testing.assert_allclose(np.nanmean(ours), expected["LaACE_without_ignored"], **TIGHT)
    for count, our, their in zip(
        expected["counts_per_class"], ours, expected["LaACE_per_class"], strict=True
    ):
        if isinstance(count, dict) and count["n_ignored"]:  # where the reference is wrong
            assert abs(our - their) > 1e-9
        elif not math.isnan(our):
            np.testing.assert_allclose(our, their, **TIGHT)


def check_lrp(matches: Matches, expected: dict[str, Any], iou: float) -> None:
    ours = [lrp(each, iou=iou) for each in matches.values()]
    for name, part in {
        "LRP": "error",
        "LRP_LOC": "localization",
        "LRP_FP": "false_positives",
        "LRP_FN": "misses",
    }.items():
        per_class = [getattr(each, part) for each in ours]
        theirs = [float(value) for value in expected[f"{name}_per_class"]]
        np.testing.assert_allclose(per_class, theirs, **TIGHT)
        np.testing.assert_allclose(np.nanmean(per_class), expected[name], **TIGHT)


def check_thresholds(matches: Matches, expected: dict[str, Any], iou: float) -> None:
    for each, theirs, least in zip(
        matches.values(), expected["lrp_opt_thr"], expected["olrp"], strict=True
    ):
        check_threshold(each, theirs, iou)
        if each.num_truths:
            ours = lrp(each.above(optimal_threshold(each, iou=iou)), iou=iou).error
            assert ours >= least - 1e-9  # theirs may lie between detections of one score
            if len(set(each.scores)) == len(each.scores):
                np.testing.assert_allclose(ours, least, **TIGHT)


def check_threshold(matches: ClassMatches, theirs: Any, iou: float, atol: float = 1e-9) -> None:
    """The reference's threshold, or one that leaves a smaller error where scores are equal."""
    ours = optimal_threshold(matches, iou=iou)
    if math.isnan(float(theirs)) or theirs == -1:
        assert ours == 0
    elif abs(ours - theirs) > atol:
        assert len(set(matches.scores)) < len(matches.scores)
        errors = [lrp(matches.above(each), iou=iou).error for each in (ours, theirs - atol)]
        assert errors[0] <= errors[1] + 1e-12


def run_calibrator(case: Case) -> None:
    content, results = case.load("cal_gt.json"), case.load("cal_detections.json")
    val = part_of(content, results, case.facts["cal_val_image_ids"])
    test = part_of(content, results, case.facts["cal_test_image_ids"])
    name = case.config["calibrator"]
    if name == "identity":
        ours = fit_thresholds(*val, iou=case.config["tau"])
    elif case.config["class_agnostic"]:
        ours = all_together(case, *val, KINDS[name])
    else:
        ours = per_class(case, *val, KINDS[name])
    check_scores(case, ours, test[1])
    check_after(case, as_the_reference(case, ours), *test)


def part_of(content: dict, results: list, images: list[int]) -> tuple[dict, list]:
    ids = set(images)
    content = {
        **content,
        "images": [image for image in content["images"] if image["id"] in ids],
        "annotations": [a for a in content["annotations"] if a["image_id"] in ids],
    }
    return content, [result for result in results if result["image_id"] in ids]


def check_scores(case: Case, calibration: ScoreCalibration, results: list) -> None:
    """All test detections through the calibrator, whatever the thresholds."""
    ours = [result["score"] for result in calibration.apply(results, thresholds=False)]
    if "test_score_after_at_optimum" in case.arrays:
        optimum = case.arrays["test_score_after_at_optimum"]
        np.testing.assert_allclose(ours, optimum, rtol=0, atol=1e-6)
        allowed = case.spec["distance_reference_to_optimum"] + 1e-6
    else:
        allowed = 1e-9
    np.testing.assert_allclose(ours, case.arrays["test_score_after"], rtol=0, atol=allowed)


def as_the_reference(case: Case, ours: ScoreCalibration) -> ScoreCalibration:
    """Our calibration with the reference's thresholds, and parameters where it stops short."""
    values = case.spec["values"]
    thresholds = zip(values["threshold_before"], values["threshold_after"], strict=True)
    classes = {}
    for (category, its), pair in zip(ours.classes.items(), thresholds, strict=True):
        found = values["parameters"].get(str(category), values["parameters"].get("all", {}))
        calibrator = its.calibrator
        if "scale" in found:
            calibrator = Platt(found["scale"], found["shift"])
        elif "temperature" in found:
            calibrator = Temperature(1 / abs(float(found["temperature"])))
        # nan and -1: keep everything; a threshold is the score of a detection
        before, after = (each - 1e-6 if float(each) > 0 else 0.0 for each in pair)
        classes[category] = ClassCalibration(before, calibrator, after)
    return ScoreCalibration(ours.kind, classes)


def check_after(case: Case, calibration: ScoreCalibration, content: dict, results: list) -> None:
    """Threshold, calibrate, threshold."""
    after = case.spec["values"]["after"]
    cut = calibration.apply(results)
    assert len(cut) == case.spec["values"]["test_detections_kept"]
    iou = case.config["tau"]
    matches = match_classes(content, cut, iou=iou)
    ours = {
        "LaECE": np.nanmean([laece(each) for each in matches.values()]),
        "LaACE": np.nanmean([laace(each) for each in matches.values()]),
        "LRP": np.nanmean([lrp(each, iou=iou).error for each in matches.values()]),
        "D_ECE": dece(match_classes(content, cut, iou=0.5).values()),
    }
    for name in ours.keys() & after.keys():
        np.testing.assert_allclose(ours[name], after[name], rtol=0, atol=1e-6, err_msg=name)


def per_class(case: Case, content: dict, results: list, kind: str) -> ScoreCalibration:
    values, iou = case.spec["values"], case.config["tau"]
    calibration = fit(content, results, kind, iou=iou)
    matches = match_classes(content, results, iou=iou)
    distance = (case.spec["distance_reference_to_optimum"] or 0) + 1e-6
    for place, (category, each) in enumerate(matches.items()):
        its = calibration.classes[category]
        check_threshold(each, values["threshold_before"][place], iou)
        kept = each.above(its.threshold)
        np.testing.assert_allclose(kept.scores, case.arrays[f"fit_score/{category}"], **TIGHT)
        np.testing.assert_allclose(kept.ious, case.arrays[f"fit_target/{category}"], **TIGHT)
        if kind == "isotonic":
            knots = case.arrays[f"knot_x/{category}"], case.arrays[f"knot_y/{category}"]
            np.testing.assert_allclose(its.calibrator(knots[0]), knots[1], **TIGHT)
        calibrated = ClassMatches(
            its.calibrator(kept.scores), kept.ious, kept.hits, kept.num_truths
        )
        check_threshold(calibrated, values["threshold_after"][place], iou, distance)
    return calibration


def all_together(case: Case, content: dict, results: list, kind: str) -> ScoreCalibration:
    """One calibrator for all classes, of hits at IoU 0.5, with fixed thresholds."""
    before, after = case.config["thresholds"]
    kept = [each.above(before) for each in match_classes(content, results, iou=0.5).values()]
    scores = np.concatenate([each.scores for each in kept])
    hits = np.concatenate([each.hits for each in kept]).astype(float)
    ours, theirs = (
        np.array(pairs)[np.lexsort(np.array(pairs).T)]
        for pairs in (
            list(zip(scores, hits, strict=True)),
            list(zip(case.arrays["fit_score/all"], case.arrays["fit_target/all"], strict=True)),
        )
    )
    np.testing.assert_allclose(ours, theirs, **TIGHT)
    its = ClassCalibration(before, fit_calibrator(kind, scores, hits), after)
    classes = {category["id"]: its for category in content["categories"]}
    return ScoreCalibration(kind, classes)


RUNNERS = {"calibration_metrics": run_metrics, "calibrator": run_calibrator}
