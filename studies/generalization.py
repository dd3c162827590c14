#!/usr/bin/env python
"""Train on small objects and test on larger ones: does a head treat the levels alike?

    python -m studies.generalization            # two pyramids, four heads, two seeds: hours
    python -m studies.generalization --report   # the table of what there is
    python -m studies.generalization --smoke    # minutes; proves that it works

FCOS learns objects of 16 to 48 pixels, which the two finest levels decide, and is tested on images
with objects of 16 to 192 pixels. Those of more than 48 are decided by levels that have never seen
an object. It can be stopped at any time, and the same command goes on.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.sections import write_section
from quickstart.data.coco_folder import write_dataset
from quickstart.data.scenes import GENERATOR_VERSION
from quickstart.settings import CHANNELS
from studies import Record, Run, exit_status, train_all
from studies.breakdown import Breakdown, add_breakdowns
from studies.differences import groups_table
from studies.program import EVIDENCE, REPOSITORY, make_page
from studies.run import training_overrides

PYRAMIDS = {"feature_pyramid": "fcos", "image_pyramid": "fcos_image_pyramid"}
HEADS = ("plain_gn", "pconv_ibn", "sepc_lite", "sepc")
TRAINED, TESTED = (16, 48), (16, 192)  # longer sides, in pixels
SIDES = (128, 256)  # of the images
BATCH = 8
GROUPS = {"16 to 48 px": (0, 48), "48 to 96 px": (48, 96), "96 to 192 px": (96, 193)}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pyramids", nargs="+", choices=PYRAMIDS, default=list(PYRAMIDS))
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--train-images", type=int, default=3000)
    parser.add_argument("--val-images", type=int, default=300)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--output", type=Path, default=Path("output/generalization"))
    parser.add_argument("--results", type=Path, default=EVIDENCE)
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--smoke", action="store_true", help="a few iterations, results apart")
    args = parser.parse_args(argv)
    if args.smoke:
        args.seeds, args.iterations, args.train_images, args.val_images = [1], 8, 16, 8
        args.output = args.output.with_name(args.output.name + "_smoke")
        args.results = args.output / "results"
    return args


def labels_of(head: str, pyramid: str) -> dict[str, str]:
    return {"pyramid": pyramid, "head": head}


def run_of(args: argparse.Namespace, pyramid: str, head: str, seed: int) -> Run:
    """Plain towers share all weights, unlike Detectron2's head, which scales boxes by level."""
    plain = head == "plain_gn"
    choice = "model.head.trunk.norm=GN" if plain else f"model.head.trunk.variant={head}"
    overrides = (
        choice,
        f"model.backbone.out_channels={CHANNELS}",
        f"dataloader.train.total_batch_size={BATCH}",
        "dataloader.test.dataset.names=shapes_wide_val",
        *training_overrides(args.iterations),
    )
    config = f"configs/quickstart/{PYRAMIDS[pyramid]}_{'towers' if plain else 'sepc'}.py"
    return Run(labels_of(head, pyramid), config, seed, overrides)


def runs(args: argparse.Namespace) -> list[Run]:
    """List the runs by seed, so that one seed of all is complete before the next starts."""
    return [
        run_of(args, pyramid, head, seed)
        for seed in args.seeds
        for pyramid in args.pyramids
        for head in args.heads
    ]


def groups_of(truth: Breakdown, run: Run) -> dict[str, dict[str, list[int]]]:
    """Ids of the objects by the longer side of their boxes, the same for every run."""
    sides = {a["id"]: max(a["bbox"][2:]) for a in truth.objects}
    groups = {
        name: [number for number, side in sides.items() if low <= side < high]
        for name, (low, high) in GROUPS.items()
    }
    return {"sizes": {name: ids for name, ids in groups.items() if ids}}


def report(args: argparse.Namespace, record: Record, output: Path) -> None:
    """Write the tables of the runs that are finished."""
    annotations = output / "data" / "shapes_wide" / "annotations" / "instances_val2017.json"
    add_breakdowns(record, annotations, groups_of, output=output)
    page = args.results / "README.md"
    make_page(page, "Evidence", ["generalization"])
    tables = [
        groups_table(
            record, {head: labels_of(head, pyramid) for head in HEADS}, "sizes", name=pyramid
        )
        for pyramid in PYRAMIDS
    ]
    text = "\n\n".join(filter(None, tables)) or "Nothing is finished yet."
    write_section(page, "generalization", text)
    print(text)


def study(args: argparse.Namespace) -> None:
    output = args.output.expanduser().resolve()
    setting = {"iterations": args.iterations, "train_images": args.train_images}
    setting |= {"val_images": args.val_images, "generator": GENERATOR_VERSION}
    record = Record(args.results / "generalization.json", setting)
    if args.report:
        report(args, record, output)
        return
    data, (small, large) = output / "data", SIDES
    write_dataset(
        data / "shapes",
        train_images=args.train_images,
        val_images=1,
        image_size=small,
        sizes=TRAINED,
    )
    write_dataset(
        data / "shapes_wide",
        train_images=1,
        val_images=args.val_images,
        image_size=large,
        sizes=TESTED,
    )
    try:
        train_all(
            runs(args),
            record,
            repository=REPOSITORY,
            data=data,
            output=output,
            workers=args.workers,
        )
    finally:
        report(args, record, output)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
