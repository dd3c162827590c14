#!/usr/bin/env python
"""Train small detectors that differ in one thing, and tabulate and plot the results.

    python -m studies.ablation                             # every detector with every head: hours
    python -m studies.ablation --detectors retinanet fcos  # some of it
    python -m studies.ablation --study changes             # one change of the trunk at a time
    python -m studies.ablation --study timing              # of a training step, on an idle machine
    python -m studies.ablation --study none                # tables and plots of what there is
    python -m studies.ablation --smoke                     # minutes; proves that it works

It can be stopped at any time, and the same command goes on. Finished runs are kept in a JSON file
of the repository, so that they need not be trained again, and another machine can go on.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from dev.sections import write_section
from quickstart.data.coco_folder import write_dataset
from quickstart.settings import PLAIN_NORM, config_of
from sepc.files import atomic_write
from studies import Record, Run, exit_status
from studies.plot import plot_rows
from studies.program import REPOSITORY, make_page, train_and_report
from studies.record import METRICS
from studies.summary import collect, format_grid, format_table

IN_PLOTS = ("AP", "APs", "APm", "APl")
HEADS = ("plain", "plain_gn", "pconv", "pconv_ibn", "sepc_lite", "sepc")
# Each is one change of RetinaNet with pconv_ibn, by overrides. None: its option, of no use here,
# went after version 0.1; what was recorded stays, and is not trained anew.
CHANGES: dict[str, tuple[str, ...] | None] = {
    "plain towers with iBN": (),  # TOWERS in place of the base
    "no cross-level terms": ("+model.head.trunk.cross_level=False",),
    "GN for iBN": ("+model.head.trunk.norm=GN",),
    "width 128": ("+model.head.trunk.out_channels=128",),
    "width 256": ("+model.head.trunk.out_channels=256",),
    "upsampling to the stride": None,
    "size-keeping weights": None,
    "two convolutions per branch": None,
    "four convolutions per branch": None,
    "half the learning rate": ("optimizer.lr=0.0005",),
    "twice the learning rate": ("optimizer.lr=0.002",),
    "pre-trained backbone": ("train.init_checkpoint={output}/pretrained.pth",),
}
RUNNABLE = {name: overrides for name, overrides in CHANGES.items() if overrides is not None}
TOWERS = "configs/quickstart/retinanet_towers.py"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    studies = ("detectors", "changes", "timing", "none")
    parser.add_argument("--study", choices=studies, default="detectors")
    parser.add_argument("--detectors", nargs="+", choices=PLAIN_NORM, default=list(PLAIN_NORM))
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--changes", nargs="+", choices=RUNNABLE, default=list(RUNNABLE))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--train-images", type=int, default=4000)
    parser.add_argument("--val-images", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--output", type=Path, default=Path("output/ablation"))
    parser.add_argument("--results", type=Path, default=REPOSITORY / "docs" / "ablation")
    parser.add_argument("--readme", type=Path, default=REPOSITORY / "README.md", help="for AP")
    parser.add_argument("--smoke", action="store_true", help="a few iterations, results apart")
    args = parser.parse_args(argv)
    if args.smoke:
        args.seeds, args.iterations, args.train_images, args.val_images = [1], 8, 16, 8
        args.output = args.output.with_name(args.output.name + "_smoke")
        args.results = args.output / "results"
        args.readme = args.results / "README.md"
    return args


def head_labels(detector: str, head: str) -> dict[str, str]:
    return {"detector": detector, "head": head}


def change_labels(change: str) -> dict[str, str]:
    base = head_labels("retinanet", "pconv_ibn")
    return {**base, "change": change.replace(" ", "_")} if change in CHANGES else base


def config_of_head(detector: str, head: str) -> tuple[str, tuple[str, ...]]:
    """LazyConfig file and overrides of a detector with a head; the plain ones differ in norm."""
    norm = {"plain": "null", "plain_gn": "GN"}.get(head)
    config, overrides = config_of(detector, "plain" if norm else head)
    return config, (f"++{PLAIN_NORM[detector]}={norm}",) if norm else overrides


def config_of_change(change: str) -> tuple[str, tuple[str, ...]]:
    """LazyConfig file and overrides of a change, or of what is changed for any other name."""
    if change == "plain towers with iBN":
        return TOWERS, ()
    config, overrides = config_of("retinanet", "pconv_ibn")
    return config, (*overrides, *RUNNABLE.get(change, ()))


def runs(args: argparse.Namespace) -> list[Run]:
    """List the runs by detector or change, then by seed: one is complete before the next starts."""
    training = (
        f"train.max_iter={args.iterations}",
        f"train.eval_period={args.iterations}",
        "train.checkpointer.period=250",
        "train.checkpointer.max_to_keep=1",
    )
    wanted: list[tuple[Mapping[str, str], tuple[str, tuple[str, ...]], int]] = []
    if args.study == "detectors":
        for detector in args.detectors:
            wanted += [
                (head_labels(detector, head), config_of_head(detector, head), seed)
                for seed in args.seeds
                for head in args.heads
            ]
    elif args.study == "changes":
        wanted += [
            (change_labels(change), config_of_change(change), seed)
            for change in ("", *args.changes)
            for seed in args.seeds
        ]
    return [
        Run(labels, config, seed, (*overrides, *training))
        for labels, (config, overrides), seed in wanted
    ]


def time_training(args: argparse.Namespace, data: Path) -> None:
    """Measure milliseconds of a training step, and their ratio to the plain head with GN."""
    os.environ["DETECTRON2_DATASETS"] = str(data)  # before Detectron2 is imported, which reads it
    from studies.timing import ratio, time_steps

    path = args.results / "timing.json"
    timing = json.loads(path.read_text()) if path.exists() else {}
    for detector in args.detectors:
        print(f"timing {detector}", flush=True)
        configs = {head: config_of_head(detector, head) for head in HEADS}
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


def pretrain(args: argparse.Namespace, output: Path) -> None:
    """Pre-train the backbone of the change "pre-trained backbone", on images of another seed."""
    from quickstart.coco_images import CocoImages
    from sepc.d2.engine import load_config
    from studies.pretrain import pretrain_backbone

    path, data = output / "pretrained.pth", output / "pretraining"
    if path.exists():
        return
    write_dataset(data, train_images=args.train_images, val_images=1, seed=1000)
    images = CocoImages(data / "annotations" / "instances_train2017.json", data / "train2017")
    config, overrides = config_of("retinanet", "pconv_ibn")
    cfg = load_config(str(REPOSITORY / config), overrides)
    share = pretrain_backbone(cfg, images, path, iterations=args.iterations)
    print(f"pre-training: {100 * share:.1f} % of the crops told right at the end", flush=True)


def report(args: argparse.Namespace, record: Record) -> None:
    """Write the tables and the plots of the runs that are finished."""
    page = args.results / "README.md"
    make_page(page, "Ablation", ("ablation", "detectors", "changes"))
    timing_file = args.results / "timing.json"
    timing = json.loads(timing_file.read_text()) if timing_file.exists() else {}
    where = f"generated images, {args.iterations} iterations; dots are seeds, lines their mean"
    groups, tables = {}, []
    for detector in PLAIN_NORM:
        step = timing.get(detector, {})
        notes = {h: f"{step[h]['ms']:.0f} ({step[h]['ratio']:.2f})" for h in HEADS if h in step}
        rows = collect(record, {head: head_labels(detector, head) for head in HEADS}, notes)
        if rows:
            groups[detector] = rows
            time_head = (
                f"ms per step, {step['threads']} threads (ratio to plain_gn)" if step else ""
            )
            tables.append(format_table(rows, head=detector, metrics=METRICS, note_head=time_head))
    write_section(page, "detectors", "\n\n".join(tables) or "Nothing is finished yet.")
    if groups:
        ap = format_grid(
            record,
            HEADS,
            list(groups),
            head="AP",
            labels_of=lambda head, detector: head_labels(detector, head),
        )
        write_section(args.readme, "ablation", ap)
        plot_rows(groups, args.results / "detectors.png", metrics=IN_PLOTS, title=where)
    labels = {name: change_labels(name) for name in ("pconv_ibn", *CHANGES)}
    rows = collect(record, labels)
    table = format_table(rows, head="RetinaNet, pconv_ibn", metrics=METRICS)
    write_section(page, "changes", table if len(rows) > 1 else "Nothing is finished yet.")
    if len(rows) > 1:
        plot_rows({"": rows}, args.results / "changes.png", metrics=IN_PLOTS, title=where)
    print(f"tables and plots: {page}")


def study(args: argparse.Namespace) -> None:
    images = {"train_images": args.train_images, "val_images": args.val_images}
    output = args.output.expanduser().resolve()
    record = Record(args.results / "runs.json", {"iterations": args.iterations, **images})
    if args.study == "none":
        report(args, record)
        return
    if args.study == "timing":
        write_dataset(output / "data" / "shapes", **images)
        time_training(args, output / "data")
    if args.study == "changes" and "pre-trained backbone" in args.changes:
        pretrain(args, output)
    settings = dict(output=output, images=images, workers=args.workers)
    train_and_report(runs(args), record, lambda: report(args, record), **settings)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
