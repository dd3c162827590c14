"""Differences between heads, paired by seed, over all objects and over groups of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.sections import write_section

from .plot import plot_differences
from .record import Record
from .summary import markdown_table, mean_and_spread

#: The steps from the plain head to SEPC, one part at a time.
DRAWN = (
    ("towers_ibn", "plain_gn"),
    ("shared_ibn", "towers_ibn"),
    ("pconv_ibn", "shared_ibn"),
    ("pconv_ibn", "plain_gn"),
    ("sepc_lite", "pconv_ibn"),
    ("sepc", "sepc_lite"),
)
#: With the whole way, and a step aside.
STEPS = (*DRAWN, ("sepc", "plain_gn"), ("sepc_lite_finest", "sepc_lite"))
LabelsOf = Callable[[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Difference:
    """Differences of two settings, one per seed that both have; in AP."""

    values: Sequence[float]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def error(self) -> float:
        """Standard error of the mean; nan of a single seed."""
        count = len(self.values)
        return statistics.stdev(self.values) / count**0.5 if count > 1 else float("nan")

    def __str__(self) -> str:
        """Such as "+1.2 ± 0.3", in bold where it is at least two standard errors from zero."""
        if len(self.values) == 1:
            return f"{self.mean:+.1f}"
        text = f"{self.mean:+.1f} ± {self.error:.1f}"
        return f"**{text}**" if abs(self.mean) >= 2 * self.error else text


def ap_by_seed(
    record: Record, labels: Mapping[str, str], kind: str = "", group: str = ""
) -> dict[int, float]:
    """AP of the finished runs by seed: of all objects, or of a group of a kind of breakdown."""
    runs = record.by_seed(labels)
    if not kind:
        return {seed: run["metrics"]["AP"] for seed, run in runs.items()}
    groups = {seed: run.get("breakdown", {}).get(kind, {}) for seed, run in runs.items()}
    return {seed: found[group]["AP"] for seed, found in groups.items() if group in found}


def difference(more: Mapping[int, float], less: Mapping[int, float]) -> Difference | None:
    """Pair by seed; None where no seed has both."""
    values = [more[seed] - less[seed] for seed in more if seed in less]
    return Difference(values) if values else None


def differences_table(
    record: Record, columns: Sequence[str], labels_of: LabelsOf, *, head: str = "AP"
) -> str:
    """Format a Markdown table of AP: a row for each of :data:`STEPS`, a column per setting.

    Of several settings the last column has the mean over all pairs of runs, whatever the setting.
    """
    together = ["all pairs"] if len(columns) > 1 else []
    rows = []
    for more, less in STEPS:
        found = [
            difference(*(ap_by_seed(record, labels_of(x, column)) for x in (more, less)))
            for column in columns
        ]
        if any(found):
            if together:
                found.append(Difference([value for x in found if x for value in x.values]))
            rows.append([f"{more} - {less}", *(str(x) if x else "-" for x in found)])
    return markdown_table([head, *columns, *together], rows) if rows else ""


def objects_of_groups(
    record: Record, labels: Iterable[Mapping[str, str]], kind: str
) -> dict[str, int]:
    """Numbers of objects by the groups that any of these runs has, in the groups' order."""
    return {
        group: values["objects"]
        for each in labels
        for run in record.by_seed(each).values()
        for group, values in run.get("breakdown", {}).get(kind, {}).items()
    }


def groups_table(record: Record, labels_of_head: Mapping[str, Any], kind: str, *, name: str) -> str:
    """Format a Markdown table of the AP of groups: heads first, then the paired differences.

    Args:
        labels_of_head: a head's labels in the record.
        kind: of the groups.
        name: of the first column.

    Returns:
        mean and standard deviation of a head over its seeds, mean and standard error of a
        difference; empty without a breakdown.
    """
    groups = objects_of_groups(record, labels_of_head.values(), kind)
    ap = {
        head: {group: ap_by_seed(record, labels, kind, group) for group in groups}
        for head, labels in labels_of_head.items()
    }
    rows = [
        [head, *(mean_and_spread([*x.values()]) if x else "-" for x in of_head.values())]
        for head, of_head in ap.items()
        if any(of_head.values())
    ]
    for more, less in STEPS:
        found = [difference(ap[more][g], ap[less][g]) for g in groups if more in ap and less in ap]
        if any(found):
            rows.append([f"{more} - {less}", *(str(x) if x else "-" for x in found)])
    heads = [f"{group} ({count})" for group, count in groups.items()]
    return markdown_table([name, *heads], rows) if rows else ""


def report_differences(
    record: Record, page: Path, *, columns: Sequence[str], heads: Sequence[str], labels_of: LabelsOf
) -> None:
    """Write the sections "differences", "octaves" and "levels" of a page, and a plot beside it.

    Args:
        columns: settings that each head was trained in, such as detectors.
        labels_of: of a head and a setting in the record.
    """
    nothing = "Nothing is finished yet."
    table = differences_table(record, columns, labels_of)
    write_section(page, "differences", table or nothing)
    for kind, name in (("octaves", "longer side"), ("levels", "level")):
        tables = [
            groups_table(
                record, {h: labels_of(h, c) for h in heads}, kind, name=f"{c}: AP by {name}"
            )
            for c in columns
        ]
        write_section(page, kind, "\n\n".join(filter(None, tables)) or nothing)
    panels = {c: lines for c in columns if (lines := _by_level(record, c, labels_of))}
    if panels:
        title = "AP by the level that decides; paired by seed, with standard errors"
        plot_differences(panels, page.with_name("levels.png"), title=title)


def _by_level(
    record: Record, column: str, labels_of: LabelsOf
) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and standard error of each step that is drawn, level by level."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for more, less in DRAWN:
        labels = [labels_of(head, column) for head in (more, less)]
        for level in objects_of_groups(record, labels, "levels"):
            pair = difference(*(ap_by_seed(record, each, "levels", level) for each in labels))
            if pair:
                found.setdefault(f"{more} - {less}", {})[level] = (pair.mean, pair.error)
    return found
