#!/usr/bin/env python
"""Train a small detector with each norm over the pyramid, at each batch size, and tabulate its AP.

    python -m studies.norms                              # everything: hours
    python -m studies.norms --norms iBN BCN --batches 2  # some of it
    DETECTRON2_DATASETS=FOLDER python -m studies.norms --data bccd  # blood cells, batch of 4
    python -m studies.norms --report                     # table and plot of what there is
    python -m studies.norms --smoke                      # minutes; proves that it works

It can be stopped at any time, and the same command goes on. Finished runs are kept in a JSON file
of the repository, docs/norms/runs.json; the table goes into docs/norms.md.

Every run sees the same number of images. The learning rate goes with the square root of the batch,
as Adam wants it (https://arxiv.org/abs/2205.10287), the schedule is the same fraction by fraction,
and nothing else is tuned. The backbone has GN in all runs: the pyramid's norm is the only one that
sees the batch. On blood cells (FOLDER/bccd in COCO's layout) the backbone is the frozen one of
`studies.bccd`; those runs are there for `studies.robustness`, and their record is
docs/norms/runs_bccd.json.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.sections import write_section
from quickstart.data.scenes import GENERATOR_VERSION
from quickstart.settings import CHANNELS, ITERATIONS
from studies import Record, Run, exit_status, train_all
from studies.bccd import data_folder
from studies.plot import plot_rows
from studies.program import REPOSITORY, make_page, train_and_report
from studies.summary import collect, format_grid

CONFIG = "configs/quickstart/fcos_pconv_ibn_gn.py"
BATCHES = (16, 4, 2, 1)
BASE_BATCH, BASE_RATE = 16, 1e-3  # of the quick start
IMAGES = BASE_BATCH * ITERATIONS
BCCD_CONFIG, BCCD_BATCH, BCCD_ITERATIONS = "configs/bccd/fcos_sepc.py", 4, 400
# The name for `norm`, and the processes; the smallest batch is an image for each.
NORMS: dict[str, tuple[str, int]] = {
    "none": ("null", 1),
    "GN": ("GN", 1),
    "BN per level": ("LevelBN", 1),
    "iBN": ("BN", 1),
    "iBN, two processes": ("SyncBN", 2),
    "BCN": ("BCN", 1),
    "half instance norm": ("InstanceBN", 1),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=("shapes", "bccd"), default="shapes")
    parser.add_argument("--norms", nargs="+", choices=NORMS, default=list(NORMS))
    parser.add_argument("--batches", nargs="+", type=int, choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--images", type=int, default=IMAGES, help=f"seen in a run ({IMAGES})")
    parser.add_argument("--train-images", type=int, default=3000)
    parser.add_argument("--val-images", type=int, default=500)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--output", type=Path, default=Path("output/norms"))
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs", help="folder of norms.md")
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--smoke", action="store_true", help="a few iterations, results apart")
    args = parser.parse_args(argv)
    if args.smoke:
        args.seeds, args.images, args.train_images, args.val_images = [1], 32, 16, 8
        args.output = args.output.with_name(args.output.name + "_smoke")
        args.docs = args.output / "docs"
    return args


def labels(norm: str, batch: int) -> dict[str, str]:
    return {"norm": norm.replace(" ", "_").replace(",", ""), "batch": str(batch)}


def runs(args: argparse.Namespace) -> list[Run]:
    """List the runs by seed, then from the largest batch on: each seed gives a whole table."""
    if args.data == "bccd":
        return [make_bccd_run(norm, seed) for seed in args.seeds for norm in args.norms]
    return [
        make_run(norm, batch, seed, images=args.images)
        for seed in args.seeds
        for batch in args.batches
        for norm in args.norms
        if batch >= NORMS[norm][1]
    ]


def make_run(norm: str, batch: int, seed: int, *, images: int) -> Run:
    """Make a run on generated images, of which it sees so many."""
    name, processes = NORMS[norm]
    iterations = images // batch
    overrides = (
        f"model.backbone.out_channels={CHANNELS}",
        f"+model.head.trunk.norm={name}",
        f"dataloader.train.total_batch_size={batch}",
        f"optimizer.lr={BASE_RATE * (batch / BASE_BATCH) ** 0.5:.7f}",
        f"train.max_iter={iterations}",
        f"train.eval_period={iterations}",
        f"train.checkpointer.period={max(iterations // 6, 1)}",
        "train.checkpointer.max_to_keep=1",
    )
    return Run(labels(norm, batch), CONFIG, seed, overrides, processes)


def make_bccd_run(norm: str, seed: int) -> Run:
    """Make a run on blood cells."""
    name, processes = NORMS[norm]
    overrides = (
        "model.head.trunk.variant=pconv_ibn",
        f"+model.head.trunk.norm={name}",
        f"train.max_iter={BCCD_ITERATIONS}",
        f"train.eval_period={BCCD_ITERATIONS}",
        "train.checkpointer.max_to_keep=1",
    )
    return Run(
        {"data": "bccd", **labels(norm, BCCD_BATCH)}, BCCD_CONFIG, seed, overrides, processes
    )


def table(record: Record) -> str:
    """Format a row per norm, a column per batch: AP, mean and standard deviation over the seeds."""
    return format_grid(
        record,
        list(NORMS),
        [str(batch) for batch in BATCHES],
        head="norm, batch of",
        labels_of=lambda norm, batch: labels(norm, int(batch)),
        missing=lambda norm, batch: (
            "not trained" if int(batch) >= NORMS[norm][1] else "not possible"
        ),
    )


def report(args: argparse.Namespace, record: Record) -> None:
    """Write the table and the plot of the runs that are finished."""
    page = args.docs / "norms.md"
    make_page(page, "Norms", ("study",))
    by_batch = {
        f"batch {batch}": collect(record, {norm: labels(norm, batch) for norm in NORMS})
        for batch in BATCHES
    }
    groups = {name: rows for name, rows in by_batch.items() if rows}
    if not groups:
        print("nothing is finished yet")
        return
    seeds = max(len(row.values["AP"]) for rows in groups.values() for row in rows)
    title = f"AP, {args.images} generated images seen"
    write_section(page, "study", f"{title}, up to {seeds} seed(s):\n\n{table(record)}")
    plot_rows(groups, args.docs / "norms" / "study.png", metrics=("AP", "APs", "APm"), title=title)
    print(f"table and plot: {page}")


def study(args: argparse.Namespace) -> None:
    output = args.output.expanduser().resolve()
    if args.data == "bccd":
        record = Record(args.docs / "norms" / "runs_bccd.json", {"iterations": BCCD_ITERATIONS})
        folders = dict(repository=REPOSITORY, data=data_folder(), output=output)
        train_all(runs(args), record, **folders, workers=args.workers)
        return
    images = {"train_images": args.train_images, "val_images": args.val_images}
    setting = {"images": args.images, **images, "generator": GENERATOR_VERSION}
    record = Record(args.docs / "norms" / "runs.json", setting)
    if args.report:
        report(args, record)
        return
    settings = dict(output=output, images=images, workers=args.workers)
    train_and_report(runs(args), record, lambda: report(args, record), **settings)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
