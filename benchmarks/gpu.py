#!/usr/bin/env python
"""Run every benchmark that wants a GPU, one after the other, and put their tables on one page.

    python -m benchmarks.gpu                        # some minutes; goes on where it was stopped
    python -m benchmarks.gpu --device cpu --smoke   # tiny maps, to see that it works

Each runs in a process of its own. Tables and figures go to the output folder, and all tables to
gpu.md there.
"""

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from sepc.files import atomic_write
from sepc.program import exit_status

COCO = ("--size", "800", "1344")
#: by the name of its files: a module of this package and its options
RUNS: dict[str, tuple[str, tuple[str, ...]]] = {
    "trunk_batch_1": ("trunk", COCO),
    "trunk_batch_8": ("trunk", (*COCO, "--batch", "8")),
    "trunk_training": ("trunk", (*COCO, "--batch", "4", "--mode", "train")),
    "trunk_channels": ("trunk", (*COCO, "--sweep", "channels")),
    "detectors_batch_1": ("detectors", (*COCO, "--detectors", "retinanet", "atss")),
    "detectors_batch_8": ("detectors", (*COCO, "--detectors", "retinanet", "--batch", "8")),
}
SMOKE = ("--size", "64", "64", "--rounds", "1")


class BenchmarkFailed(RuntimeError):
    """Error of a benchmark, which has told it above; those before it are done."""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--dtype", choices=["float16", "bfloat16"], default="float16")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--smoke", action="store_true", help="see that it works, on tiny maps")
    parser.add_argument("--out", type=Path, default=Path("output/benchmark/gpu"))
    args = parser.parse_args(argv)
    if args.smoke:
        args.out = args.out.with_name(args.out.name + "_smoke")
    return args


def run(args: argparse.Namespace) -> None:
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("expected a CUDA device, found none: run it with --device cpu")
    if importlib.util.find_spec("detectron2") is None:
        print("left out: whole detectors, as Detectron2 is not installed")
        args.runs = [name for name in args.runs if RUNS[name][0] != "detectors"]
    for number, name in enumerate(args.runs, start=1):
        module, options = RUNS[name]
        out = args.out / name
        if out.with_suffix(".md").exists():
            print(f"[{number}/{len(args.runs)}] {name}: done before", flush=True)
            continue
        print(f"[{number}/{len(args.runs)}] {name}", flush=True)
        args.out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", f"benchmarks.{module}", *options]
        command += ["--device", args.device, "--dtype", args.dtype, "--out", str(out)]
        done = subprocess.run([*command, *(SMOKE if args.smoke else ())], check=False)
        if done.returncode:
            raise BenchmarkFailed(f"{name} has ended with status {done.returncode}, see above")
    page = args.out / "gpu.md"
    tables = [f"## {x}\n\n{(args.out / x).with_suffix('.md').read_text()}" for x in args.runs]
    with atomic_write(page) as partial:
        partial.write_text("\n".join(tables))
    print(f"written: {page}")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: run(args), BenchmarkFailed)


if __name__ == "__main__":
    sys.exit(main())
