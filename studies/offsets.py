#!/usr/bin/env python
"""Measure what the offsets of trained kernels are worth: as learned, the same everywhere, and zero.

    export DETECTRON2_DATASETS=output/ablation/data  # where studies.ablation trains
    python -m studies.offsets --runs output/ablation/*-sepc*
    python -m studies.offsets                        # the table of what there is

A run is the folder of a training that deforms, with config.yaml and model_final.pth. The same
everywhere means that every kernel keeps the mean of the offsets that it predicts on images that it
was trained on: its taps have moved, but no longer depend on what the image shows. The table goes
into docs/evidence/README.md, the numbers into offsets.json beside it, which keeps the runs of
earlier calls. A minute or two per run on one core.
"""

import argparse
import functools
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dev.sections import write_section
from sepc.files import atomic_write
from sepc.layers.level_conv import DeformLevelConv
from sepc.program import exit_status
from studies.program import EVIDENCE
from studies.summary import markdown_table

LEARNED, CONSTANT, ZERO = "as learned", "the same everywhere", "zero"
SHARE = "share of the same"
METRICS = ("AP", "AP50")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", nargs="+", type=Path, default=[], metavar="FOLDER")
    parser.add_argument("--images", type=int, default=200, help="to take means from (200)")
    parser.add_argument("--results", type=Path, default=EVIDENCE)
    return parser.parse_args(argv)


def measure_run(run: Path, images: int) -> dict[str, Any]:
    """Evaluate a detector with each kind of offsets.

    Returns:
        metrics in percent of each kind, and the share of the offsets' mean square that is the same
        everywhere.

    Raises:
        ValueError: nothing deforms in it, or its data set is not what it should be.
        OSError: no config.yaml or model_final.pth, or no data.
    """
    from detectron2.config import instantiate

    from sepc.d2 import engine
    from sepc.d2.calibrate import batches_of
    from sepc.d2.datasets import check_registered

    cfg = engine.load_config(str(run / "config.yaml"))
    cfg.dataloader.evaluator.output_dir = None  # the detections of the run stay
    trained_on = engine.dataset_names(cfg.dataloader.train)
    check_registered(trained_on)
    check_registered(engine.dataset_names(cfg.dataloader.test), evaluation=True)
    engine.use_available_device(cfg, num_gpus=1)
    model = instantiate(cfg.model).to(cfg.train.device).eval()
    engine.Checkpointer(model).load(str(run / "model_final.pth"), checkpointables=[], strict=True)
    kernels = [m for m in model.modules() if isinstance(m, DeformLevelConv)]
    if not kernels:
        raise ValueError(f"{run}: expected a detector with kernels that deform, got none")

    def evaluate(kind: str) -> dict[str, float]:
        found = engine.evaluate(cfg, model)["bbox"]
        print(f"{run.name}, offsets {kind}: AP {found['AP']:.1f}", flush=True)
        return {metric: round(found[metric], 3) for metric in METRICS}

    found: dict[str, Any] = {LEARNED: evaluate(LEARNED)}
    mapper = instantiate(cfg.dataloader.test.mapper)
    _, batches = batches_of(trained_on[0], mapper, images=images, batch_size=1)
    means, found[SHARE] = mean_offsets(model, kernels, batches)
    for kernel, mean in zip(kernels, means, strict=True):
        set_offsets(kernel, mean)
    found[CONSTANT] = evaluate(CONSTANT)
    for kernel in kernels:
        set_offsets(kernel, 0.0)
    return found | {ZERO: evaluate(ZERO)}


@torch.no_grad()
def mean_offsets(
    model: nn.Module, kernels: Sequence[DeformLevelConv], batches: Iterable[Any]
) -> tuple[list[Tensor], float]:
    """Take the mean of what each kernel predicts over images and levels, each map counting alike.

    Args:
        kernels: of the model; each sees every batch.
        batches: what the model takes.

    Returns:
        of each kernel (channels of its ``offset``,), in cells, and of all together the share of
        the mean square that these means make up, 0 to 1.
    """
    seen: list[list[tuple[Tensor, Tensor]]] = [[] for _ in kernels]
    handles = [
        kernel.offset.register_forward_hook(functools.partial(_append, places))
        for kernel, places in zip(kernels, seen, strict=True)
    ]
    try:
        for batch in batches:
            model(batch)
    finally:
        for handle in handles:
            handle.remove()
    means = [torch.stack([mean for mean, _ in places]).mean(0) for places in seen]
    squares = [torch.stack([square for _, square in places]).mean(0).sum() for places in seen]
    return means, float(sum(mean.square().sum() for mean in means) / sum(squares))


def _append(
    places: list[tuple[Tensor, Tensor]], offset: nn.Module, arguments: Any, raw: Tensor
) -> None:
    places.append((raw.mean((0, 2, 3)), raw.square().mean((0, 2, 3))))


@torch.no_grad()
def set_offsets(kernel: DeformLevelConv, values: Tensor | float) -> None:
    """Let a kernel predict the same offsets everywhere, (channels of its ``offset``,) or one."""
    kernel.offset.weight.zero_()
    kernel.offset.bias[:] = values  # type: ignore[index]


def report(found: dict[str, dict[str, Any]], page: Path) -> None:
    """Write the table, a row per run."""
    kinds = (LEARNED, CONSTANT, ZERO)
    cells = [
        [
            name,
            *(" / ".join(f"{each[kind][metric]:.1f}" for metric in METRICS) for kind in kinds),
            f"{100 * each[SHARE]:.0f} %",
        ]
        for name, each in found.items()
    ]
    columns = [f"{' / '.join(METRICS)} with offsets", *kinds, SHARE]
    write_section(page, "offsets", markdown_table(columns, cells))


def study(args: argparse.Namespace) -> None:
    path = args.results / "offsets.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for run in args.runs:
        found[run.name] = measure_run(run, args.images)
        found = dict(sorted(found.items()))
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    report(found, args.results / "README.md")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    logging.getLogger("detectron2").setLevel(logging.WARNING)
    return exit_status(lambda: study(args), ImportError)


if __name__ == "__main__":
    sys.exit(main())
