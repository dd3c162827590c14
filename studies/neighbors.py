#!/usr/bin/env python
"""Train ATSS with other methods of SEPC's literature beside SEPC, as long as the quick start does.

    python -m studies.neighbors            # four methods beside five heads, three seeds: hours
    python -m studies.neighbors --methods dyhead --seeds 2   # some of it
    python -m studies.neighbors --report   # the table of what there is

It can be stopped at any time, and the same command goes on. But for DyHead, which takes the place
of the head, each method has the plain head with GN.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.sections import write_section
from quickstart.data.scenes import GENERATOR_VERSION
from quickstart.settings import CHANNELS, ITERATIONS
from studies import Record, Run, exit_status
from studies.ablation import ALL_HEADS, HEADS, config_of_head, labels_of
from studies.program import EVIDENCE, make_page, train_and_report
from studies.record import METRICS
from studies.run import training_overrides
from studies.summary import collect, format_table

NEIGHBORS = ("rcnet", "dyhead", "sampling_free", "denoising")
IMAGES = {"train_images": 3000, "val_images": 500}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    choices, default = (*NEIGHBORS, *ALL_HEADS), [*NEIGHBORS, *HEADS]
    parser.add_argument("--methods", nargs="+", choices=choices, default=default)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--output", type=Path, default=Path("output/neighbors"))
    parser.add_argument("--results", type=Path, default=EVIDENCE)
    parser.add_argument("--report", action="store_true", help="train nothing")
    return parser.parse_args(argv)


def runs(args: argparse.Namespace) -> list[Run]:
    """List the runs by seed, so that one seed of all is complete before the next starts."""
    wanted = [(method, seed) for seed in args.seeds for method in args.methods]
    return [run_of(method, seed) for method, seed in wanted]


def run_of(method: str, seed: int) -> Run:
    if method in NEIGHBORS:
        config = f"configs/quickstart/atss_{method}.py"
        overrides: tuple[str, ...] = (f"model.backbone.out_channels={CHANNELS}",)
    else:
        config, overrides = config_of_head("atss", method, CHANNELS)
    overrides += training_overrides(ITERATIONS)
    return Run(labels_of(method, "atss"), config, seed, overrides)


def report(args: argparse.Namespace, record: Record) -> None:
    """Write the table of the runs that are finished."""
    page = args.results / "README.md"
    make_page(page, "Evidence", ["neighbors"])
    methods = (*ALL_HEADS, *NEIGHBORS)
    rows = collect(record, {method: labels_of(method, "atss") for method in methods})
    table = format_table(rows, head="ATSS", metrics=METRICS)
    write_section(page, "neighbors", table if rows else "Nothing is finished yet.")
    print(table)


def study(args: argparse.Namespace) -> None:
    setting = {"iterations": ITERATIONS, "channels": CHANNELS, **IMAGES}
    setting["generator"] = GENERATOR_VERSION
    record = Record(args.results / "neighbors.json", setting)
    if args.report:
        report(args, record)
        return
    train_and_report(
        runs(args),
        record,
        lambda: report(args, record),
        output=args.output.expanduser().resolve(),
        images=IMAGES,
        workers=args.workers,
    )


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
