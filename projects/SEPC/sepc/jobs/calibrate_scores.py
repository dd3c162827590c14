"""Calibrate a detector's scores: detections and ground truth in, thresholds and calibrators out."""

import argparse
from pathlib import Path
from typing import Any

from ..calibration import CALIBRATORS, fit, fit_thresholds, match_classes
from ..calibration.report import errors_table, measure_errors, plot_reliability
from ..data.validate import read_annotations, read_results
from ..files import atomic_write
from ..program import exit_status

Data = tuple[dict[str, Any], list[dict[str, Any]]]


def load(annotations: Path, results: Path) -> Data:
    return read_annotations(annotations), read_results(results)


def every_other_image(content: dict[str, Any], results: list[dict[str, Any]]) -> tuple[Data, Data]:
    """Split by image, in the order of ids."""
    ids = sorted(image["id"] for image in content["images"])
    if len(ids) < 2:
        raise ValueError(f"expected two images or more to fit and to test, got {len(ids)}")
    first, second = set(ids[::2]), set(ids[1::2])
    return _part(content, results, first), _part(content, results, second)


def _part(content: dict[str, Any], results: list[dict[str, Any]], ids: set[int]) -> Data:
    images = [image for image in content["images"] if image["id"] in ids]
    annotations = [each for each in content.get("annotations", []) if each["image_id"] in ids]
    kept = [result for result in results if result["image_id"] in ids]
    return {**content, "images": images, "annotations": annotations}, kept


def run(args: argparse.Namespace) -> None:
    data = load(args.annotations, args.results)
    fitted_to, (content, results) = (
        (data, load(*args.test)) if args.test else every_other_image(*data)
    )
    thresholds = fit_thresholds(*fitted_to, iou=args.iou)
    calibrations = {
        kind: fit(*fitted_to, kind, iou=args.iou, thresholds=thresholds) for kind in CALIBRATORS
    }
    cut = {
        "as they are": results,
        "above thresholds": thresholds.apply(results),
        **{kind: calibration.apply(results) for kind, calibration in calibrations.items()},
    }
    rows = {name: measure_errors(content, kept, iou=args.iou) for name, kept in cut.items()}
    table = errors_table(rows)
    calibrations[args.calibrator].save(args.output / "calibration.json")
    with atomic_write(args.output / "errors.md") as partial:
        partial.write_text(f"# Calibration errors\n\n{table}\n", encoding="utf-8")
    drawn = {
        name: match_classes(content, cut[name], iou=args.iou)
        for name in ("above thresholds", args.calibrator)
    }
    plot_reliability(drawn, args.output / "reliability.png")
    print(f"{len(content['images'])} images, in percent:\n\n{table}\n\n{args.output}")


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: run(args), ImportError)
