#!/usr/bin/env python
"""Time whole detectors, and their parts, against Detectron2's RetinaNet with its own head.

    python -m benchmarks.detectors                     # 1 image of 800 x 1088, CPU
    python -m benchmarks.detectors --device cuda --dtype float16 --batch 8 --size 800 1333
    python -m benchmarks.detectors --detectors atss --variants sepc_lite sepc
    python -m benchmarks.detectors --variants sepc --configs retinanet_R_50_rcnet_1x  # beside SEPC

From pixels to boxes, in inference, all in one process and in turns as in `benchmark.py`. They have
the form of `sepc.optimize_for_inference`; the plain one has it too, as its backbone gains as much,
and once more that of Detectron2. The weights are random: the time of the network does not depend on
them, and hardly any box is over the threshold, so what NMS costs is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from detectron2.config import instantiate
from omegaconf import DictConfig
from torch import nn

from sepc import optimize_for_inference
from sepc.d2.engine import load_config

from .report import write_report
from .trunk import DTYPES, VARIANTS, Step, describe_machine, measure, quartiles

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "COCO-Detection"
DETECTORS = ("retinanet", "fcos", "atss", "free_anchor", "fsaf", "gfl")
BASE = "as Detectron2 has it"
PARTS = ("backbone", "head")


def main() -> int:
    args = parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("benchmark: no CUDA device is there; run with --device cpu", file=sys.stderr)
        return 1
    torch.set_num_threads(args.threads)
    args.mode = "inference"
    rows = [row for detector in args.detectors for row in measure_detector(detector, args)]
    report = {"machine": describe_machine(args), "command": " ".join(sys.argv[1:]), "rows": rows}
    write_report(args.out, report, format_table(report))
    return 0


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=["retinanet"])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    rows = sorted(path.stem for path in CONFIGS.glob("*.py"))
    parser.add_argument(
        "--configs", nargs="+", choices=rows, default=[], metavar="NAME", help=f"of {CONFIGS.name}"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32", help="of autocast")
    parser.add_argument("--size", nargs=2, type=int, default=(800, 1088), metavar=("H", "W"))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("output/benchmark/detectors"))
    return parser.parse_args()


def measure_detector(detector: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time a detector; return a row for each of its heads."""
    models = make_models(detector, args)
    steps = {name: make_step(model, args) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    parts: dict[str, list[dict[str, float]]] = {name: [] for name in steps}
    for round_ in range(args.rounds + 1):  # the first one warms up
        for name, step in steps.items():
            with timed_parts(models[name], args.device) as of_parts:
                elapsed = measure(step, args.device)
            if round_ > 0:
                seconds[name].append(elapsed)
                parts[name].append(dict(of_parts))
        print(f"\r{detector}: round {round_}/{args.rounds}", end="", flush=True)
    print()
    rows = []
    for name, times in seconds.items():
        ratios = [t / base for t, base in zip(times, seconds[BASE], strict=True)]
        rows.append(
            {
                "detector": detector,
                "head": name,
                "size": args.size,
                "batch": args.batch,
                "dtype": args.dtype,
                "ms": 1e3 * statistics.median(times),
                "ratio": statistics.median(ratios),
                "ratio_quartiles": quartiles(ratios),
                **{
                    f"{part}_ms": 1e3 * statistics.median(found[part] for found in parts[name])
                    for part in PARTS
                },
            }
        )
    return rows


def make_models(detector: str, args: argparse.Namespace) -> dict[str, nn.Module]:
    """Build the models by the name of their head, with Detectron2's own form first."""
    plain = build(load(detector, None), args.device)
    models = {BASE: plain, "plain head": optimize_for_inference(plain)}
    others = {variant: load(detector, variant) for variant in args.variants}
    others |= {name: load_row(name) for name in args.configs}
    for name, cfg in others.items():
        models[name] = optimize_for_inference(build(cfg, args.device))
    return models


def load(detector: str, variant: str | None) -> DictConfig:
    """Load the config of a detector with a variant of the SEPC head, or with the plain head."""
    if variant is None:
        return load_row(f"{detector}_R_50_FPN_1x")
    return load_row(f"{detector}_R_50_FPN_sepc_1x", f"model.head.trunk.variant={variant}")


def load_row(name: str, *overrides: str) -> DictConfig:
    """Load the config of a row of the model zoo."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_config(str(CONFIGS / f"{name}.py"), list(overrides))


def build(cfg: DictConfig, device: str) -> nn.Module:
    torch.manual_seed(0)
    model = instantiate(cfg.model).to(device).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if name.endswith("offset.bias"):  # offsets of a trained model are of about a cell
            nn.init.normal_(parameter, std=0.7)
    return model


def make_step(model: nn.Module, args: argparse.Namespace) -> Step:
    generator = torch.Generator().manual_seed(0)
    height, width = args.size
    images = [
        torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
        for _ in range(args.batch)
    ]
    inputs = [{"image": image, "height": height, "width": width} for image in images]
    dtype = DTYPES[args.dtype]

    @torch.no_grad()
    def step() -> object:
        low = torch.autocast(args.device, dtype, enabled=dtype != torch.float32)
        with low:
            return model(inputs)

    return step


@contextlib.contextmanager
def timed_parts(model: nn.Module, device: str) -> Iterator[dict[str, float]]:
    """Seconds by the name of the part, filled in while the model runs."""
    found: dict[str, float] = {}
    handles = []
    for part in PARTS:
        module = model.get_submodule(part)

        def before(*_: object, part: str = part) -> None:
            found[part] = -now(device)

        def after(*_: object, part: str = part) -> None:
            found[part] += now(device)

        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def format_table(report: dict[str, Any]) -> str:
    machine = report["machine"]
    threads = f", {machine['threads']} threads" if machine["threads"] else ""
    lines = [
        f"{machine['device']}{threads}, torch {machine['torch']}, medians of {machine['rounds']} "
        "interleaved rounds; the ratio is to the detector as Detectron2 has it",
        "",
        "| detector | head | image | batch | dtype | ms | ratio (quartiles) | backbone, ms "
        "| head, ms | rest, ms |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        low, high = row["ratio_quartiles"]
        rest = row["ms"] - row["backbone_ms"] - row["head_ms"]
        lines.append(
            f"| {row['detector']} | {row['head']} | {'x'.join(map(str, row['size']))} "
            f"| {row['batch']} | {row['dtype']} | {row['ms']:.0f} "
            f"| {row['ratio']:.2f} ({low:.2f} to {high:.2f}) "
            f"| {row['backbone_ms']:.0f} | {row['head_ms']:.0f} | {rest:.0f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
