"""Gain of new running statistics on images that look different from those of the training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sepc.d2.calibrate import NORMS, calibrate
from sepc.files import atomic_write
from sepc.visualize.curves import new_figure

from .summary import markdown_table

ALPHAS = (1.0, 0.75, 0.5, 0.25, 0.0)
TITLES = {"pyramid": "norms of the pyramid", "all": "all norms"}


def measure_gain(
    model: nn.Module,
    evaluate: Callable[[nn.Module], Mapping[str, float]],
    batches: Sequence[Any],
    *,
    alphas: Sequence[float] = ALPHAS,
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure metrics for each share of the old statistics, for the pyramid's norms and for all.

    Args:
        model: trained on other images; is left as it is.
        evaluate: gives the metrics of a model on the shifted images.
        batches: of such images, to calibrate with; not those that are evaluated.
        alphas: shares of the old statistics, see :func:`sepc.d2.calibrate.calibrate`.

    Returns:
        metrics by norms ("pyramid", "all") and alpha, written out.
    """
    gain: dict[str, dict[str, dict[str, float]]] = {}
    source = dict(evaluate(model))
    for norms in NORMS:
        precise = copy.deepcopy(model)
        calibrate(precise, batches, num_batches=len(batches), norms=norms)
        new = copy.deepcopy(precise.state_dict())
        gain[norms] = {}
        for alpha in alphas:
            state = {
                name: torch.lerp(new[name], old, alpha) if "running" in name else old
                for name, old in model.state_dict().items()
            }
            precise.load_state_dict(state)
            gain[norms][f"{alpha:g}"] = source if alpha == 1 else dict(evaluate(precise))
    return gain


def gain_table(gain: Mapping[str, Mapping[str, Mapping[str, float]]], *, metric: str) -> str:
    """Format as Markdown: a row per kind of norms, a column per share of the old statistics."""
    alphas = list(next(iter(gain.values())))
    rows = [
        [TITLES[norms], *(f"{values[alpha][metric]:.1f}" for alpha in alphas)]
        for norms, values in gain.items()
    ]
    return markdown_table([f"{metric}, share of old statistics", *alphas], rows)


def plot_gain(
    gain: Mapping[str, Mapping[str, Mapping[str, float]]],
    path: Path,
    *,
    metric: str,
    on_source: float,
    title: str,
) -> None:
    """Draw a line per kind of norms over the share of new statistics; dashed, without any shift.

    Raises:
        ImportError: matplotlib is not installed.
    """
    figure = new_figure(figsize=(5.5, 3.6))
    axes = figure.subplots()
    for norms, values in gain.items():
        shares = [1 - float(alpha) for alpha in values]
        axes.plot(shares, [x[metric] for x in values.values()], "o-", label=TITLES[norms])
    axes.axhline(on_source, color="gray", linestyle="--", label="images without the shift")
    axes.set_xlabel("share of the new domain's statistics (1 - alpha)")
    axes.set_ylabel(metric)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    axes.set_title(title, fontsize="medium")
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=110, format="png")
