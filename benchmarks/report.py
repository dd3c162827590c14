"""Table and plot of what `benchmarks/trunk.py` has measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sepc.visualize.curves import new_figure


def format_table(report: dict[str, Any]) -> str:
    machine = report["machine"]
    lines = [
        f"{machine['mode']} on {machine['device']}"
        + (f", {machine['threads']} threads" if machine["threads"] else "")
        + f", torch {machine['torch']}, medians of {machine['rounds']} interleaved rounds",
        "",
        "| image | batch | channels | stages | variant | contender | ms | ratio to reference "
        "(quartiles) | memory MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        low, high = row["ratio_quartiles"]
        ratio = f"{row['ratio']:.2f} ({low:.2f} to {high:.2f})"
        memory = f"{row['memory_mb']:.0f}" if row["memory_mb"] else "-"
        image = "x".join(map(str, row["size"]))
        lines.append(
            f"| {image} | {row['batch']} | {row['channels']} | {row['stages']} | {row['variant']} "
            f"| {row['contender']} | {row['ms']:.0f} | {ratio} | {memory} |"
        )
    note = "The plain head's ratio is to the reference pconv_ibn; memory in training on a CPU is "
    return "\n".join([*lines, "", note + "what is kept for the backward pass.", ""])


def plot(report: dict[str, Any], path: Path) -> None:
    rows = report["rows"]
    labels = [
        f"{row['variant']}, {row['contender']}\n{'x'.join(map(str, row['size']))}, "
        f"batch {row['batch']}, {row['channels']} ch., {row['stages']} st."
        for row in rows
    ]
    figure = new_figure(figsize=(8, 1 + 0.4 * len(rows)))
    axes = figure.subplots()
    colors = ["#999999" if "reference" in row["contender"] else "#2266aa" for row in rows]
    axes.barh(labels, [row["ms"] for row in rows], color=colors)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=6)
    axes.set_xlabel("milliseconds per step")
    axes.set_title(f"{report['machine']['mode']}, {report['machine']['device']}", fontsize=9)
    figure.savefig(path, dpi=120)
