#!/usr/bin/env python
"""Plot losses, learning rate and AP of trainings; and what a detector gets wrong.

    python tools/plot_training.py output/quickstart/* --output curves.png
    python tools/plot_training.py sepc=output/a lite=output/b/metrics.json --output curves.png
    python tools/plot_training.py output/quickstart/retinanet_pconv_ibn --mistakes mistakes.png

A training is named by its folder, or by the words before "=". For `--mistakes` detections are
matched with ground truth as COCO's evaluation does at IoU 0.5; the worst images come first. The
data of a quick start are found by themselves; others are named by `--annotations` and `--images`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sepc.program import exit_status
from sepc.report.run import Run
from sepc.score_threshold import SHOWN_SCORE
from sepc.visualize import draw_mistakes, match_detections, plot_training


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", nargs="+", metavar="[NAME=]RUN", help="folder of a training, or its metrics.json"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="picture of the curves")
    parser.add_argument("--mistakes", type=Path, metavar="FILE", help="picture of the mistakes")
    parser.add_argument("--annotations", type=Path, metavar="FILE", help="COCO's json")
    parser.add_argument("--images", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="default: inference/coco_instances_results.json of the training",
    )
    parser.add_argument("--num-images", type=int, default=8)
    parser.add_argument(
        "--confidence-threshold",
        type=float,
        default=SHOWN_SCORE,
        metavar="SCORE",
        help="leave out what scores less (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    if args.output is None and args.mistakes is None:
        parser.error("expected --output FILE, --mistakes FILE or both")
    if args.mistakes is not None and len(args.runs) != 1:
        parser.error(f"--mistakes: expected one training, got {len(args.runs)}")
    return args


def split_name(run: str) -> tuple[str, Path]:
    """Split the name of a training from its folder or metrics.json.

    Raises:
        FileNotFoundError: if there is neither.
    """
    name, equals, rest = run.partition("=")
    path = Path(rest if equals and not Path(run).exists() else run)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: expected a folder or a metrics.json")
    folder = (path if path.is_dir() else path.parent).resolve()
    return (name if str(path) != run else folder.name), path


def metrics_of(runs: Sequence[str]) -> dict[str, Path]:
    """Find metrics.json by the name of its training; ValueError where two have the same name."""
    found: dict[str, Path] = {}
    for run in runs:
        name, path = split_name(run)
        if name in found:
            raise ValueError(f"two trainings are named {name}: tell them apart by NAME={run}")
        found[name] = path / "metrics.json" if path.is_dir() else path
    return found


def show_mistakes(args: argparse.Namespace) -> None:
    _, path = split_name(args.runs[0])
    run = Run(
        path if path.is_dir() else path.parent,
        annotations=args.annotations,
        images=args.images,
        results=args.results,
    )
    content = run.load_annotations()
    matches = match_detections(content, run.load_results(), score_thresh=args.confidence_threshold)
    names = {category["id"]: category["name"] for category in content["categories"]}
    draw_mistakes(matches, run.images, names, args.mistakes, num_images=args.num_images)
    missed = sum(len(each.missed) for each in matches)
    wrong = sum(len(each.wrong) for each in matches)
    right = sum(len(each.right) for each in matches)
    objects = missed + sum(len(each.found) for each in matches)
    print(
        f"{args.mistakes}: {missed} of {objects} objects missed, {wrong} of {wrong + right} "
        f"detections wrong (score {args.confidence_threshold:g} or more, IoU 0.5)"
    )


def run(args: argparse.Namespace) -> None:
    if args.output is not None:
        plot_training(metrics_of(args.runs), args.output)
        print(args.output)
    if args.mistakes is not None:
        show_mistakes(args)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: run(args), ImportError)


if __name__ == "__main__":
    sys.exit(main())
