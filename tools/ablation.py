#!/usr/bin/env python
"""Train every detector with every head on generated data, and tabulate and plot what came of it.

    python tools/ablation.py                                # the job of `make ablation`: hours
    python tools/ablation.py --detectors retinanet fcos     # some of it
    python tools/ablation.py --smoke                        # minutes; proves that it works

It can be stopped at any time, and the same command goes on. Finished runs are kept in a JSON file
of the repository, so that they need not be trained again, and another machine can go on.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sepc.data.coco_folder import write_dataset
from sepc.study import Record, Run, RunsFailed, train_all

REPOSITORY = Path(__file__).resolve().parents[1]
HEADS = ("plain", "plain_gn", "pconv", "pconv_ibn", "sepc_lite", "sepc")
# Where a detector's plain head takes its norm.
PLAIN_NORM = {
    "retinanet": "model.head.norm",
    "fcos": "model.head.norm",
    "atss": "model.head.trunk.norm",
    "free_anchor": "model.head.norm",
    "fsaf": "model.head.trunk.norm",
    "fsaf_retinanet": "model.head.trunk.norm",
    "gfl": "model.head.trunk.norm",
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--detectors", nargs="+", choices=PLAIN_NORM, default=list(PLAIN_NORM))
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--train-images", type=int, default=4000)
    parser.add_argument("--val-images", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--output", type=Path, default=Path("output/ablation"))
    parser.add_argument("--record", type=Path, default=REPOSITORY / "docs/ablation/runs.json")
    parser.add_argument("--smoke", action="store_true", help="a few iterations, nothing recorded")
    args = parser.parse_args(argv)
    if args.smoke:
        args.seeds, args.iterations, args.train_images, args.val_images = [1], 8, 16, 8
        args.output = args.output.with_name(args.output.name + "_smoke")
        args.record = args.output / "runs.json"
    return args


def runs(args: argparse.Namespace) -> list[Run]:
    """By detector, then by seed: a detector is complete before the next one starts."""
    return [
        Run(
            labels={"detector": detector, "head": head},
            config=config_file(detector, head),
            seed=seed,
            overrides=(*norm_of_plain(detector, head), *training(args.iterations)),
        )
        for detector in args.detectors
        for seed in args.seeds
        for head in args.heads
    ]


def config_file(detector: str, head: str) -> str:
    return f"configs/quickstart/{detector}_{'plain' if head == 'plain_gn' else head}.py"


def norm_of_plain(detector: str, head: str) -> tuple[str, ...]:
    norms = {"plain": "null", "plain_gn": "GN"}
    return (f"++{PLAIN_NORM[detector]}={norms[head]}",) if head in norms else ()


def training(iterations: int) -> tuple[str, ...]:
    return (
        f"train.max_iter={iterations}",
        f"train.eval_period={iterations}",
        "train.checkpointer.period=250",
        "train.checkpointer.max_to_keep=1",
    )


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as a Ctrl-C does
    setting = {
        "iterations": args.iterations,
        "train_images": args.train_images,
        "val_images": args.val_images,
    }
    try:
        output = args.output.expanduser().resolve()
        data = output / "data"
        write_dataset(data / "shapes", train_images=args.train_images, val_images=args.val_images)
        record = Record(args.record, setting)
        train_all(
            runs(args),
            record,
            repository=REPOSITORY,
            data=data,
            output=output,
            workers=args.workers,
        )
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    except (ValueError, OSError, RunsFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
