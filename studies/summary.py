"""Tables of mean and spread over the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .record import Record


@dataclass(frozen=True)
class Row:
    """Results of one setting, seed by seed.

    Args:
        name: of the setting.
        values: by metric, one value per seed, in percent.
        note: for a last column, such as the time of an iteration.
    """

    name: str
    values: Mapping[str, Sequence[float]]
    note: str = ""


def collect(
    record: Record,
    labels_of: Mapping[str, Mapping[str, str]],
    notes: Mapping[str, str] | None = None,
) -> list[Row]:
    """Make a row for each name whose labels have finished runs."""
    rows = []
    for name, labels in labels_of.items():
        if runs := record.metrics(labels):
            values = {metric: [run[metric] for run in runs] for metric in runs[0]}
            rows.append(Row(name, values, (notes or {}).get(name, "")))
    return rows


def mean_and_spread(values: Sequence[float]) -> str:
    """Format mean and standard deviation as "43.5 ± 0.4"; of one value that value alone."""
    mean = statistics.fmean(values)
    return f"{mean:.1f} ± {statistics.stdev(values):.1f}" if len(values) > 1 else f"{mean:.1f}"


def format_table(
    rows: Sequence[Row], *, head: str, metrics: Sequence[str], note_head: str = ""
) -> str:
    """Format a Markdown table: a row per setting, mean and standard deviation over its seeds."""
    notes = [note_head] if note_head else []
    columns = [head, *metrics, "seeds", *notes]
    cells = []
    for row in rows:
        means = [mean_and_spread(row.values[metric]) for metric in metrics]
        seeds = str(len(row.values[metrics[0]]))
        cells.append([row.name, *means, seeds, *([row.note] if notes else [])])
    return markdown_table(columns, cells)


def format_grid(
    record: Record,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    head: str,
    labels_of: Callable[[str, str], Mapping[str, str]],
    missing: Callable[[str, str], str] = lambda row, column: "not trained",
) -> str:
    """Format a Markdown table of AP: two settings against each other, a cell for each pair.

    Args:
        rows, columns: names of the settings.
        head: of the column with the names of the rows.
        labels_of: a pair's labels in the record.
        missing: what stands in the cell of a pair without a finished run.
    """

    def cell(row: str, column: str) -> str:
        values = [metrics["AP"] for metrics in record.metrics(labels_of(row, column))]
        return mean_and_spread(values) if values else missing(row, column)

    cells = [[row, *(cell(row, column) for column in columns)] for row in rows]
    return markdown_table([head, *columns], cells)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format names of columns and rows of cells as Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
