"""Tables of what `benchmarks/trunk.py` and `runtimes.py` have measured, and a plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sepc.files import atomic_write
from sepc.visualize.curves import new_figure


def write_report(out: Path, report: dict[str, Any], table: str) -> None:
    """Write what was measured as .json and its table as .md, and print the table.

    Args:
        out: path of both files without the endings.
    """
    with atomic_write(out.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(report, indent=1) + "\n")
    with atomic_write(out.with_suffix(".md")) as partial:
        partial.write_text(table)
    print(f"\n{table}\nwritten: {out.with_suffix('')}.json, .md")


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


def format_runtimes(report: dict[str, Any]) -> str:
    """Table of what `benchmarks/runtimes.py` has measured."""
    machine = report["machine"]
    lines = [
        f"{machine['device']}, {machine['threads']} threads, torch {machine['torch']}, medians of "
        f"{machine['rounds']} interleaved rounds (quartiles); the ratio is to eager float32",
        "",
        "| part | head | form | ms | ratio | AP |",
        "|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        ms = "{:.1f} ({:.1f} to {:.1f})".format(row["ms"], *row["ms_quartiles"])
        ratio = "{:.2f} ({:.2f} to {:.2f})".format(row["ratio"], *row["ratio_quartiles"])
        ap = "-" if row["ap"] is None else f"{row['ap']:.1f}"
        lines.append(f"| {row['part']} | {row['group']} | {row['form']} | {ms} | {ratio} | {ap} |")
    return "\n".join([*lines, ""])


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
