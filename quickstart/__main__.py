#!/usr/bin/env python
"""Generate data, train a small SEPC detector on it, evaluate, draw and export it, and report.

    python -m quickstart                    # the job of `make quickstart`
    python -m quickstart --compare          # `make compare`: beside it, the plain head with GN

A training that was stopped goes on when the command is given again; a finished one is not repeated.
Where Detectron2 can't be imported, the same ATSS is made of torchvision's parts.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.setup_env import detectron2_in_use
from quickstart import detectron2_job, torchvision_job
from quickstart.data.coco_folder import write_dataset
from quickstart.evaluation import coco_metrics, format_table
from quickstart.settings import DETECTOR, ITERATIONS, VARIANTS, Settings
from sepc.export import ExportError
from sepc.program import exit_status
from sepc.report import Run, write_report
from sepc.visualize import draw_detections, plot_training

REPOSITORY = Path(__file__).resolve().parents[1]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", default="sepc_lite", choices=VARIANTS)
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    parser.add_argument("--output", type=Path, default=Path("output/quickstart"))
    parser.add_argument(
        "--compare", action="store_true", help="train the plain head with GN as well"
    )
    parser.add_argument("--binding", choices=("auto", "detectron2", "torchvision"), default="auto")
    # fewer are soon learned by heart; one takes a few milliseconds to generate
    parser.add_argument("--train-images", type=int, default=3000)
    parser.add_argument("--val-images", type=int, default=200)
    args = parser.parse_args(argv)
    if args.compare and args.variant.startswith("plain"):
        parser.error("--compare: expected a SEPC variant to hold against the plain head")
    return args


def choose_binding(wanted: str) -> tuple[str, str]:
    """Choose the binding, and a line to begin and end with that says what it is."""
    reason = detectron2_job.why_unavailable() if wanted != "torchvision" else "as asked for"
    if reason is None:
        return "detectron2", f"Through {detectron2_in_use()}"
    if wanted == "detectron2":
        raise ValueError(f"Detectron2 can't be imported: {reason}")
    why = "asked for" if wanted == "torchvision" else f"Detectron2 can't be imported: {reason}"
    return "torchvision", f"Through torchvision alone, without Detectron2 ({why})"


def heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


def train(settings: Settings) -> dict[str, float]:
    """Train and evaluate where that has not been done; return COCO's metrics."""
    heading(f"{settings.variant}: {settings.iterations} iterations, in {settings.output}")
    settings.claim()
    if settings.is_finished():
        print("this training is finished already")
    elif settings.binding == "detectron2":
        detectron2_job.train(settings, REPOSITORY)
    else:
        torchvision_job.train(settings)
    metrics = coco_metrics(settings.val_json, settings.load_results())
    settings.mark_finished(metrics)
    return metrics


def export(settings: Settings) -> None:
    heading(f"{settings.variant}: export to ONNX (about half a minute)")
    if settings.onnx.exists():
        print("exported already")
        return
    if settings.binding == "detectron2":
        agreement = detectron2_job.export(settings, REPOSITORY)
    else:
        agreement = torchvision_job.export(settings)
    print(f"ONNX Runtime finds what PyTorch finds: {agreement}")


def run(args: argparse.Namespace, binding: str) -> list[Path]:
    """Do the whole job; return the files that a reader wants to look at, the report last."""
    data = Path(os.environ.get("DETECTRON2_DATASETS", "datasets")).expanduser().resolve() / "shapes"
    heading(f"data in {data}")
    made = write_dataset(data, train_images=args.train_images, val_images=args.val_images)
    print("generated" if made else "there already")

    prefix = DETECTOR if binding == "detectron2" else f"torchvision_{DETECTOR}"
    output = args.output.expanduser().resolve()
    runs = [
        Settings(
            data=data,
            output=output / f"{prefix}_{variant}",
            variant=variant,
            binding=binding,
            iterations=args.iterations,
        )
        for variant in ([args.variant, "plain_gn"] if args.compare else [args.variant])
    ]
    tables = {settings.variant: train(settings) for settings in runs}
    main, files = runs[0], []

    heading("pictures")
    for settings in runs:
        files.append(settings.output / "detections.png")
        results = settings.load_results()
        draw_detections(settings.val_json, settings.val_images, results, files[-1])
    files.append(main.output / ("comparison.png" if args.compare else "curves.png"))
    plot_training({settings.variant: settings.metrics for settings in runs}, files[-1])
    print("drawn")
    export(main)
    files.append(main.onnx)
    heading(f"COCO metrics on {args.val_images} images that were not trained on")
    print(format_table(tables))
    reports = [write_report(Run(settings.output)) for settings in reversed(runs)]
    return [*files, main.metrics, main.weights, *reports]


def tell(args: argparse.Namespace) -> None:
    """Do the job, and print what the user is to know of it and which files there are."""
    binding, note = choose_binding(args.binding)
    print(note, flush=True)
    files = run(args, binding)
    heading("files")
    for file in files:
        print(os.path.relpath(file))
    print(f"\n{note}")
    print(f"\nThe report, for any browser: {os.path.relpath(files[-1])}")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(
        lambda: tell(args),
        FloatingPointError,
        ExportError,
        detectron2_job.TrainingFailed,
        stopped="Stopped. The same command goes on from the last checkpoint.",
    )


if __name__ == "__main__":
    sys.exit(main())
