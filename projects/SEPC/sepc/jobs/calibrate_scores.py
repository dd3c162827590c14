"""Calibrate a detector's scores: detections and ground truth in, thresholds and calibrators out.

    python tools/calibrate_scores.py --output output/scores \\
        --annotations datasets/shapes/annotations/instances_val2017.json \\
        --results output/quickstart/retinanet_pconv_ibn/inference/coco_instances_results.json
    python tools/demo.py --onnx detector.onnx --input photos --output found \\
        --calibration output/scores/calibration.json

Every other image is fitted to, and the others tell what it buys; with --test they are other data.
FOLDER gets calibration.json, errors.md with the table and reliability.png. Needs no Detectron2.
See docs/calibration.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sepc.calibration import ANY_OVERLAP, CALIBRATORS, fit, fit_thresholds, match_classes
from sepc.calibration.report import errors_table, measure_errors, plot_reliability
from sepc.data.validate import read_annotations, read_results
from sepc.files import atomic_write
from sepc.program import exit_status

Data = tuple[dict[str, Any], list[dict[str, Any]]]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--annotations", type=Path, required=True, metavar="FILE")
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="COCO's format")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--test", type=Path, nargs=2, metavar=("ANNOTATIONS", "RESULTS"), help="other images"
    )
    parser.add_argument("--calibrator", choices=CALIBRATORS, default="isotonic", help="to keep")
    parser.add_argument(
        "--iou", type=float, default=ANY_OVERLAP, help="least overlap of a match (any at all)"
    )
    args = parser.parse_args(argv)
    if not 0 <= args.iou < 1:
        parser.error(f"--iou: expected 0 to less than 1, got {args.iou:g}")
    return args


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


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: run(args), ImportError)
