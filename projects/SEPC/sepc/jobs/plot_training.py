"""Plot losses, learning rate and AP of trainings; and what a detector gets wrong."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from ..program import exit_status
from ..report.run import Run
from ..visualize import draw_mistakes, match_detections, plot_training


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
    folder = cast(Path, run.images)  # load_annotations has made sure
    draw_mistakes(matches, folder, names, args.mistakes, num_images=args.num_images)
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


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: run(args), ImportError)
