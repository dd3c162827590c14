#!/usr/bin/env python
"""Train small detectors that differ in one thing, and tabulate and plot the results.

    python -m studies.ablation                             # every detector with every head: hours
    python -m studies.ablation --detectors retinanet fcos  # some of it
    python -m studies.ablation --iterations 1200 --results FOLDER  # another setting
    python -m studies.ablation --study timing              # of a training step, on an idle machine
    python -m studies.ablation --study none                # tables and plots of what there is
    python -m studies.ablation --smoke                     # minutes; proves that it works

It can be stopped at any time, and the same command goes on. Finished runs are kept in a JSON file
of the repository, so that they need not be trained again, and another machine can go on. Data,
batch and rates are the quick start's, and its channels unless others are asked for, but each run is
four times as long: after the quick start's 600 iterations seeds differ by six AP, after 1200 not
all classes are learned yet. Another setting wants --results of its own. Nothing is tuned for any of
the heads.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from dev.sections import write_section
from quickstart.data.coco_folder import write_dataset
from quickstart.data.scenes import GENERATOR_VERSION
from quickstart.settings import CHANNELS, config_of
from sepc.files import atomic_write
from studies import Record, Run, exit_status
from studies.breakdown import Breakdown, add_breakdowns
from studies.differences import report_differences
from studies.plot import plot_rows
from studies.program import EVIDENCE, REPOSITORY, make_page, train_and_report
from studies.record import METRICS
from studies.run import training_overrides
from studies.summary import collect, format_grid, format_table

IN_PLOTS = ("AP", "APs", "APm", "APl")
DETECTORS = ("atss", "fcos", "retinanet")
HEADS = ("plain_gn", "towers_ibn", "pconv_ibn", "sepc_lite", "sepc")
DIAGNOSES = {  # heads to ask for: a head, and how they differ from it
    "shared_ibn": ("pconv_ibn", "+model.head.trunk.cross_level=False"),  # each level by itself
    "sepc_lite_finest": ("sepc_lite", "+model.head.trunk.deform_finest=True"),
}
ALL_HEADS = (*HEADS, *DIAGNOSES)
ITERATIONS = 2400
TOWERS = {  # plain towers with iBN
    "atss": ("configs/quickstart/atss_plain.py", ("model.head.trunk.norm=BN",)),
    "fcos": ("configs/quickstart/fcos_towers.py", ()),
    "retinanet": ("configs/quickstart/retinanet_towers.py", ()),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    studies = ("detectors", "timing", "none")
    parser.add_argument("--study", choices=studies, default="detectors")
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS))
    parser.add_argument("--heads", nargs="+", choices=ALL_HEADS, default=list(HEADS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    parser.add_argument("--channels", type=int, default=CHANNELS, help="of the pyramid")
    parser.add_argument("--train-images", type=int, default=3000)
    parser.add_argument("--val-images", type=int, default=500)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--output", type=Path, default=Path("output/ablation"))
    parser.add_argument("--results", type=Path, default=EVIDENCE)
    parser.add_argument("--readme", type=Path, help="for AP; by default the page of the results")
    parser.add_argument("--smoke", action="store_true", help="a few iterations, results apart")
    args = parser.parse_args(argv)
    if args.smoke:
        args.seeds, args.iterations, args.train_images, args.val_images = [1], 8, 16, 8
        args.output = args.output.with_name(args.output.name + "_smoke")
        args.results = args.output / "results"
    if args.readme is None:  # another setting's AP is not for the README of the repository
        own = args.results.resolve() == EVIDENCE
        args.readme = (REPOSITORY if own else args.results) / "README.md"
    return args


def labels_of(head: str, detector: str) -> dict[str, str]:
    return {"detector": detector, "head": head}


def config_of_head(detector: str, head: str, channels: int) -> tuple[str, tuple[str, ...]]:
    """LazyConfig file and overrides of a detector with a head."""
    if head == "towers_ibn":
        config, overrides = TOWERS[detector]
    elif head in DIAGNOSES:
        like, override = DIAGNOSES[head]
        config, overrides = config_of(detector, like)
        overrides += (override,)
    else:
        config, overrides = config_of(detector, head)
    return config, (*overrides, f"model.backbone.out_channels={channels}")


def runs(args: argparse.Namespace) -> list[Run]:
    """List the runs by detector, then by seed: one is complete before the next starts."""
    if args.study != "detectors":
        return []
    training = training_overrides(args.iterations)
    return [
        Run(labels_of(head, detector), config, seed, (*overrides, *training))
        for detector in args.detectors
        for seed in args.seeds
        for head in args.heads
        for config, overrides in [config_of_head(detector, head, args.channels)]
    ]


def time_training(args: argparse.Namespace, data: Path) -> None:
    """Measure milliseconds of a training step, and their ratio to the plain head with GN."""
    os.environ["DETECTRON2_DATASETS"] = str(data)  # before Detectron2 is imported, which reads it
    from studies.timing import ratio, time_steps

    path = args.results / "timing.json"
    timing = json.loads(path.read_text()) if path.exists() else {}
    for detector in args.detectors:
        print(f"timing {detector}", flush=True)
        configs = {head: config_of_head(detector, head, args.channels) for head in HEADS}
        seconds = time_steps({h: (str(REPOSITORY / f), o) for h, (f, o) in configs.items()})
        timing[detector] = {
            head: {
                "ms": round(1000 * statistics.median(times), 1),
                "ratio": round(ratio(times, seconds["plain_gn"]), 3),
            }
            for head, times in seconds.items()
        }
        timing[detector]["threads"] = torch.get_num_threads()
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(timing, indent=1) + "\n")


def groups_of(truth: Breakdown, run: Run) -> dict[str, dict[str, list[int]]]:
    """Groups of objects of which each run tells the AP."""
    levels = truth.levels(str(REPOSITORY / run.config), run.overrides)
    return {"octaves": truth.octaves(), "levels": levels}


def report(args: argparse.Namespace, record: Record) -> None:
    """Write the tables and the plots of the runs that are finished."""
    output = args.output.expanduser().resolve()
    annotations = output / "data" / "shapes" / "annotations" / "instances_val2017.json"
    add_breakdowns(record, annotations, groups_of, output=output)
    page = args.results / "README.md"
    sections = ("ablation", "detectors", "differences", "octaves", "levels")
    make_page(page, "Evidence", sections)
    timing_file = args.results / "timing.json"
    timing = json.loads(timing_file.read_text()) if timing_file.exists() else {}
    where = f"generated images, {args.iterations} iterations; dots are seeds, lines their mean"
    groups, tables = {}, []
    for detector in DETECTORS:
        step = timing.get(detector, {})
        notes = {h: f"{step[h]['ms']:.0f} ({step[h]['ratio']:.2f})" for h in HEADS if h in step}
        rows = collect(record, {head: labels_of(head, detector) for head in ALL_HEADS}, notes)
        if rows:
            groups[detector] = rows
            time_head = (
                f"ms per step, {step['threads']} threads (ratio to plain_gn)" if step else ""
            )
            tables.append(format_table(rows, head=detector, metrics=METRICS, note_head=time_head))
    write_section(page, "detectors", "\n\n".join(tables) or "Nothing is finished yet.")
    if groups:
        heads = [h for h in HEADS if any(row.name == h for rows in groups.values() for row in rows)]
        ap = format_grid(record, heads, list(groups), head="AP", labels_of=labels_of)
        write_section(args.readme, "ablation", ap)
        plot_rows(groups, args.results / "detectors.png", metrics=IN_PLOTS, title=where)
    report_differences(record, page, columns=list(groups), heads=ALL_HEADS, labels_of=labels_of)
    print(f"tables and plots: {page}")


def study(args: argparse.Namespace) -> None:
    images = {"train_images": args.train_images, "val_images": args.val_images}
    output = args.output.expanduser().resolve()
    setting = {"iterations": args.iterations, "channels": args.channels, **images}
    setting["generator"] = GENERATOR_VERSION
    record = Record(args.results / "runs.json", setting)
    if args.study == "none":
        report(args, record)
        return
    if args.study == "timing":
        write_dataset(output / "data" / "shapes", **images)
        time_training(args, output / "data")
    settings = dict(output=output, images=images, workers=args.workers)
    train_and_report(runs(args), record, lambda: report(args, record), **settings)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
