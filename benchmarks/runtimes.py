#!/usr/bin/env python
"""Time the trunks and whole detectors in every runtime that is installed, interleaved on a CPU.

    make bench ARGS="--runtimes"                            # trunks and RetinaNets, 800 x 1088
    make bench ARGS="--runtimes --parts trunk --variants sepc"
    make bench ARGS="--runtimes --trained CONFIG WEIGHTS"   # one's own detector, with its AP

PyTorch eager in float32 and bfloat16, torch.compile, ONNX Runtime in float32 and int8, OpenVINO in
float32, bfloat16 and int8, all in one process and in turns. A runtime that is not installed is left
out with a line, and so is bfloat16 on a CPU without units for it. Detectors go from pixels to
boxes; without --trained their weights are random, and hardly any box is over the threshold. Files
are of one size, those of --trained of any; int8 is calibrated on images of the training set,
without --trained on the image itself, so that its time counts and not its detections. --smoke runs
everything on something tiny, to see that it works.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from sepc.inference import has_fast_bfloat16

from .report import format_runtimes, write_report
from .trunk import describe_machine, measure, quartiles

VARIANTS = ("plain", "pconv_ibn", "sepc_lite", "sepc")
PARTS = ("trunk", "detector")
EAGER = "eager float32"
#: packages that a runtime needs; those of the last column for int8 as well
RUNTIMES: dict[str, tuple[str, ...]] = {
    "eager": (),
    "compile": (),
    "onnxruntime": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino", "nncf"),
}


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    args.only = [name for name in args.only if _is_installed(name)]
    rows = []
    bfloat16 = args.smoke or has_fast_bfloat16()
    if not bfloat16:
        print(
            "left out: bfloat16, for which this CPU has no units: PyTorch takes ten times as long"
        )
    with tempfile.TemporaryDirectory() as folder:
        for part, group, forms in _groups(args, Path(folder)):
            forms = [form for form in forms if bfloat16 or "bfloat16" not in form.name]
            rows += measure_group(part, group, forms, args.rounds)
    report = {"machine": describe_machine(args), "command": " ".join(sys.argv[1:]), "rows": rows}
    write_report(args.out, report, format_runtimes(report))
    return 0


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--only", nargs="+", choices=list(RUNTIMES), default=list(RUNTIMES))
    parser.add_argument(
        "--trained",
        nargs=2,
        action="append",
        default=[],
        metavar=("CONFIG", "WEIGHTS"),
        help="time this detector in place of random ones, with its AP; may be given several times",
    )
    parser.add_argument("--size", nargs=2, type=int, default=(800, 1088), metavar=("H", "W"))
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--stages", type=int, default=4, help="of the trunks")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--smoke", action="store_true", help="see that it works, on tiny maps")
    parser.add_argument("--out", type=Path, default=Path("output/benchmark/runtimes"))
    args = parser.parse_args(argv)
    if args.smoke:
        args.size, args.channels, args.stages, args.rounds = (64, 64), 16, 1, 1
    args.mode, args.device = "inference", "cpu"
    return args


def _is_installed(runtime: str) -> bool:
    missing = [x for x in RUNTIMES[runtime] if importlib.util.find_spec(x) is None]
    if missing:
        print(f"left out: {runtime}, as {', '.join(missing)} is not installed")
    return not missing


def _groups(args: argparse.Namespace, folder: Path) -> Iterable[tuple[str, str, list[Any]]]:
    """Part, group, and forms of the same network that are timed against each other."""
    if "trunk" in args.parts:
        from .runtime_trunks import trunk_forms

        for variant in args.variants:
            yield "trunk", variant, trunk_forms(variant, args, folder)
    if "detector" in args.parts:
        if importlib.util.find_spec("detectron2") is None:
            print("left out: whole detectors, as Detectron2 is not installed")
            return
        from .runtime_detectors import random_forms, trained_forms

        for config, weights in args.trained:
            name = Path(config).stem if Path(config).stem != "config" else Path(config).parent.name
            yield "detector", name, trained_forms(config, weights, args, folder)
        for variant in args.variants if not args.trained else ():
            yield "detector", variant, random_forms(variant, args, folder)


def measure_group(part: str, group: str, forms: list[Any], rounds: int) -> list[dict[str, Any]]:
    """Time the forms of one network in turns; a row for each, with its AP where it can be told."""
    seconds: dict[str, list[float]] = {form.name: [] for form in forms}
    for round_ in range(rounds + 1):  # the first one warms up
        for form in forms:
            elapsed = measure(form.step, "cpu")
            if round_ > 0:
                seconds[form.name].append(elapsed)
        print(f"\r{part} {group}: round {round_}/{rounds}", end="", flush=True)
    print()
    base = seconds.get(EAGER) or next(iter(seconds.values()))
    rows = []
    for form in forms:
        times = seconds[form.name]
        ratios = [t / b for t, b in zip(times, base, strict=True)]
        rows.append(
            {
                "part": part,
                "group": group,
                "form": form.name,
                "ms": 1e3 * statistics.median(times),
                "ms_quartiles": [1e3 * x for x in quartiles(times)],
                "ratio": statistics.median(ratios),
                "ratio_quartiles": quartiles(ratios),
                "ap": form.evaluate() if form.evaluate else None,
            }
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
