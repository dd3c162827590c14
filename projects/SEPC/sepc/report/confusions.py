"""Precision over recall of each class, and the confusion matrix, inside the page."""

from html import escape

import numpy as np

from ..evaluation.coco import precision_curves
from ..visualize.confusion import Confusion, confusion_matrix, most_confused
from .charts import precision_as_svg
from .outcomes import Outcomes
from .pictures import class_label

CLASSES = 12  # rows and lines that can still be told apart


def confusion_sections(outcomes: Outcomes) -> str:
    """Show precision over recall and the confusion matrix, of the most confused classes, as HTML.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    names = list(outcomes.names.values())
    shown = most_confused(confusion_matrix(outcomes.matches, list(outcomes.names)), CLASSES)
    some = f" Shown are the {CLASSES} of {len(names)} classes that are confused most."
    return f"""
<p class="soft">Matched as COCO does at IoU 0.5.{some if shown.pooled else ""}</p>
<h3>Precision over recall</h3>
{_precision(outcomes, names, shown.classes)}
<h3>Confusion matrix</h3>
<p class="soft">Rows: what objects are. Columns: what they were detected as, {outcomes.above}.
Crowds, and what is detected in them, do not count.</p>
{matrix_table(shown, names)}"""


def _precision(outcomes: Outcomes, names: list[str], shown: list[int]) -> str:
    curves = precision_curves(outcomes.content, outcomes.results)
    known = [index for index in shown if curves.precision[index, 0] >= 0]
    chart = precision_as_svg(curves, {i: names[i] for i in known}, outcomes.least)
    without = [names[index] for index in shown if index not in known]
    absent = f" No objects of {', '.join(without)}." if without else ""
    return f"""<div class="chart">{chart}</div>
<p class="soft">With AP50 of each class; black or white the mean of all classes. The detections that
are shown, {escape(outcomes.above)}, end at the dots.{escape(absent)}</p>"""


def matrix_table(confusion: Confusion, names: list[str]) -> str:
    """Draw a confusion matrix as a table that scrolls where it is wider than the page.

    Args:
        confusion: all classes, or some with the others pooled.
        names: of all classes.
    """
    labels = [class_label(i, names[i]) for i in confusion.classes]
    pooled = [f"the other {confusion.pooled}"] if confusion.pooled else []
    heads = "".join(f"<th><span>{x}</span></th>" for x in (*labels, *pooled, "missed"))
    sums = np.maximum(confusion.counts.sum(axis=1, keepdims=True), 1)
    shares = confusion.counts / sums
    rows = "".join(
        f'<tr><th scope="row">{label}</th>{_cells(i, confusion.counts[i], shares[i])}</tr>'
        for i, label in enumerate((*labels, *pooled, "no object"))
    )
    return (
        f'<div class="scroll"><table class="matrix"><tr><td></td>{heads}</tr>{rows}</table></div>'
    )


def _cells(row: int, counts: np.ndarray, shares: np.ndarray) -> str:
    """Cells of one row; the last one of the last row has nothing to count."""
    last = len(counts) - 1
    return "".join(
        "<td></td>"
        if row == column == last
        else f'<td class="{"agrees" if row == column else "differs"}" '
        f'style="--share:{share:.2f}">{count or "&middot;"}</td>'
        for column, (count, share) in enumerate(zip(counts, shares, strict=True))
    )
