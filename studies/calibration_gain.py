#!/usr/bin/env python
"""Measure what recalibrated statistics buy a detector on images that look different.

    python tools/generate_data.py datasets/shapes_shifted --shift
    python -m studies.calibration_gain --config-file configs/quickstart/retinanet_sepc.py \\
        --weights output/quickstart/retinanet_pconv_ibn/model_final.pth \\
        model.head.trunk.variant=pconv_ibn

It takes statistics from images of the new look (no ground truth is needed), mixes them with the old
ones in several shares (alpha-BN), and evaluates each on other images of that look. The table goes
into docs/norms.md, the figure and all metrics beside it. Under a minute on two cores.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from detectron2.config import instantiate

from dev.sections import write_section
from sepc import optimize_for_inference
from sepc.d2 import engine
from sepc.d2.calibrate import batches_of
from sepc.d2.datasets import check_registered
from sepc.files import atomic_write
from sepc.program import exit_status
from studies.calibration import gain_table, measure_gain, plot_gain

DOCS = Path(__file__).resolve().parents[1] / "docs"
METRIC = "AP"


def measure(args: argparse.Namespace) -> dict:
    """Evaluate everything; return the content of the JSON file."""
    cfg = engine.load_config(args.config_file, args.opts)
    check_registered([f"{args.shifted}_train"])
    check_registered([args.source, f"{args.shifted}_val"], evaluation=True)
    engine.use_available_device(cfg, num_gpus=1)
    model = instantiate(cfg.model).to(cfg.train.device)
    engine.Checkpointer(model).load(args.weights, checkpointables=[], strict=True)
    count, batches = batches_of(
        f"{args.shifted}_train",
        instantiate(cfg.dataloader.test.mapper),
        images=args.images,
        batch_size=min(16, args.images),
    )

    def evaluate(dataset: str, model: torch.nn.Module) -> dict[str, float]:
        cfg.dataloader.test.dataset.names = dataset
        results = engine.evaluate(cfg, optimize_for_inference(model))["bbox"]
        print(f"{dataset}: {METRIC} {results[METRIC]:.1f}", flush=True)
        return {k: round(v, 3) for k, v in results.items() if k.startswith("AP") and "-" not in k}

    on_source = evaluate(args.source, model.eval())
    gain = measure_gain(model, lambda m: evaluate(f"{args.shifted}_val", m), list(batches))
    name = " ".join([Path(args.config_file).name, *args.opts])
    setting = {"config": name, "images": count * min(16, args.images)}
    return {"setting": setting, "without the shift": on_source, "shifted": gain}


def run(args: argparse.Namespace) -> None:
    found = measure(args)
    with atomic_write(args.docs / "norms" / "calibration.json") as partial:
        partial.write_text(json.dumps(found, indent=1) + "\n")
    on_source = found["without the shift"][METRIC]
    text = f"{METRIC} on images without the shift: {on_source:.1f}."
    table = gain_table(found["shifted"], metric=METRIC)
    write_section(args.docs / "norms.md", "calibration", f"{text}\n\n{table}")
    plot_gain(
        found["shifted"],
        args.docs / "norms" / "calibration.png",
        metric=METRIC,
        on_source=on_source,
        title=f"{found['setting']['config']}, generated images under a shift",
    )
    print(table)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--weights", required=True, metavar="FILE")
    parser.add_argument("--images", type=int, default=200, help="to take statistics from (200)")
    parser.add_argument("--source", default="shapes_val", help="without the shift (shapes_val)")
    parser.add_argument("--shifted", default="shapes_shifted", help="prefix (shapes_shifted)")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of norms.md")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse_args(argv)
    logging.getLogger("detectron2").setLevel(logging.WARNING)
    return exit_status(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
