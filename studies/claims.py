#!/usr/bin/env python
"""Measure how equivariant to scale pyramids and heads are, for docs/claims.md.

    python -m studies.claims                             # on exact Gaussian pyramids: seconds
    python -m studies.claims --runs output/ablation/atss-*-seed1 \
        --images output/ablation/data/shapes/val2017     # and on trained detectors

A run is the folder of a training, with config.yaml and model_final.pth.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dev.sections import write_section
from sepc.files import atomic_write
from sepc.layers.level_conv import DeformLevelConv
from sepc.program import exit_status
from sepc.visualize.curves import new_figure
from sepc.visualize.offset_lengths import watch_offsets
from studies.equivariance import (
    CASES,
    LEVELS,
    errors_on_exact_pyramids,
    maps_on_the_way,
    similarities,
    similarity,
)
from studies.offsets import set_offsets
from studies.program import REPOSITORY
from studies.summary import markdown_table

CONTROL = "another image"
Similarities = Mapping[str, Sequence[float]]  # by place, of each level


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", nargs="+", type=Path, default=[], metavar="FOLDER")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="that were not trained on")
    parser.add_argument("--num-images", type=int, default=100, help="the first by name (100)")
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs", help="has claims.md")
    args = parser.parse_args(argv)
    if args.runs and args.images is None:
        parser.error("--runs: expected --images FOLDER too")
    return args


def exact(docs: Path) -> None:
    """Write table and picture of what is measured on exact Gaussian pyramids."""
    errors = {case: errors_on_exact_pyramids(case) for case in CASES}
    rows = [[case, *(f"{x:.0e}" if x else "0" for x in each)] for case, each in errors.items()]
    table = markdown_table(["level", *map(str, range(LEVELS - 1))], rows)
    picture = docs / "claims" / "exact.png"
    draw_exact(errors, picture)
    text = "Relative error of each level of the half-size image:"
    image = f"![Error of each level, by module](claims/{picture.name})"
    write_section(docs / "claims.md", "exact", f"{text}\n\n{table}\n\n{image}")


def draw_exact(errors: Mapping[str, Sequence[float]], path: Path) -> None:
    figure = new_figure(figsize=(8, 3.2))
    axes = figure.subplots()
    grid = torch.tensor(list(errors.values())).clamp(min=1e-17).log10()
    image = axes.imshow(grid, cmap="viridis", vmin=-16, vmax=0, aspect="auto")
    axes.set_yticks(range(len(errors)), list(errors), fontsize=8)
    axes.set_xlabel("level of the half-size image, fine to coarse")
    figure.colorbar(image, label="relative error, power of ten")
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=80, format="png")


def trained(args: argparse.Namespace) -> None:
    """Write table and picture of what is measured on trained detectors.

    Raises:
        ValueError: two runs of the same name.
        OSError: see :func:`measure_run`.
    """
    names = [run.name for run in args.runs]
    if len(set(names)) < len(names):
        raise ValueError(f"--runs: expected folders of different names, got {names}")
    images = sorted(args.images.glob("*.jpg"))[: args.num_images]
    if len(images) < 2:
        raise FileNotFoundError(f"{args.images}: expected two or more *.jpg, got {len(images)}")
    found: dict[str, dict[str, list[float]]] = {}
    offsets: dict[str, dict[int, float]] = {}
    for run in args.runs:
        print(run, flush=True)
        of_run, offsets_of_run = measure_run(run, images)
        found |= of_run
        offsets |= offsets_of_run
    control = [x for each in found.values() for x in each.pop(CONTROL)]
    picture = args.docs / "claims" / "trained.png"
    draw_trained(found, picture)
    places = max(map(list, found.values()), key=len)
    means = [
        [name, *(f"{statistics.fmean(each[x]):.2f}" if x in each else "" for x in places)]
        for name, each in found.items()
    ]
    text = (
        f"Mean over the levels, {len(images)} images that were not trained on "
        f"(before the trunk, against another image: {statistics.fmean(control):.2f}):"
    )
    image = f"![Similarity of each level on its way through the trunk](claims/{picture.name})"
    section = [text, markdown_table(["run", *places], means), image]
    if offsets:
        levels = sorted({level for each in offsets.values() for level in each})
        rows = [[name, *(f"{each[x]:.2f}" for x in levels)] for name, each in offsets.items()]
        section += ["Mean offset in cells, of whole images:"]
        section += [markdown_table(["run, layer", *(f"level {x}" for x in levels)], rows)]
    write_section(args.docs / "claims.md", "trained", "\n\n".join(section))


def measure_run(
    run: Path, images: Sequence[Path]
) -> tuple[dict[str, dict[str, list[float]]], dict[str, dict[int, float]]]:
    """Measure a detector, and again with its offsets at zero.

    Returns:
        similarity by place and level, by the name of the run, and that name with "offsets at zero"
        if anything deforms; before the trunk also against another image, as a control.
        mean offset by level, by the name of the run with that of the layer.

    Raises:
        OSError: no config.yaml, no model_final.pth, or an image that can't be read.
    """
    from sepc.d2.predictor import Predictor
    from sepc.export.preprocess import read_image

    predictor = Predictor.from_config(
        str(run / "config.yaml"), weights=str(run / "model_final.pth"), device="cpu"
    )
    model = predictor.model
    whole = [predictor.prepare(read_image(image))["image"] for image in images]
    kernels = [m for m in model.modules() if isinstance(m, DeformLevelConv)]
    if not kernels:
        return {run.name: similarities_of_model(model, whole)}, {}
    with watch_offsets(model) as watched:
        found = {run.name: similarities_of_model(model, whole)}
    for kernel in kernels:
        set_offsets(kernel, 0.0)
    found[f"{run.name}, offsets at zero"] = similarities_of_model(model, whole)
    return found, {f"{run.name}, {layer}": x for layer, x in watched.by_level().items()}


def similarities_of_model(model: nn.Module, whole: Sequence[Tensor]) -> dict[str, list[float]]:
    """Similarity by place and level of images (3, H, W) and of these at half their size."""
    half = [
        F.interpolate(x[None], scale_factor=0.5, mode="bilinear", antialias=True)[0] for x in whole
    ]
    of_half, of_whole = (
        maps_on_the_way(model, [{"image": x} for x in each]) for each in (half, whole)
    )
    before = zip(of_half["before"], of_whole["before"][1:], strict=False)
    control = [similarity(y, x.roll(1, dims=0)) for y, x in before]
    return similarities(of_half, of_whole) | {CONTROL: control}


def draw_trained(runs: Mapping[str, Similarities], path: Path) -> None:
    """Draw a panel per level, a line per run, from before the trunk to behind it."""
    places = max(map(list, runs.values()), key=len)
    levels = len(next(iter(runs.values()))["before"])
    figure = new_figure(figsize=(3.6 * levels, 3.6))
    panels = figure.subplots(1, levels, sharey=True, squeeze=False)[0]
    for level, axes in enumerate(panels):
        for number, (name, found) in enumerate(runs.items()):
            at = [i for i, place in enumerate(places) if place in found]
            values = [found[places[i]][level] for i in at]
            line = "o--" if name.endswith("zero") else "o-"
            axes.plot(at, values, line, color=f"C{number}", markersize=4, label=name)
        axes.set_title(f"level {level} of half the size, {level + 1} of the whole", fontsize=9)
        axes.set_xticks(range(len(places)), places, rotation=30, fontsize=8)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("similarity")
    panels[-1].legend(fontsize=7, loc="lower right")  # lines rise to the right
    save(figure, path)


def run(args: argparse.Namespace) -> None:
    exact(args.docs)
    if args.runs:
        trained(args)
    print(args.docs / "claims.md")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: run(args), ImportError)


if __name__ == "__main__":
    sys.exit(main())
