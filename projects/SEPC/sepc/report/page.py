"""Report of a training: one HTML file that needs nothing but a browser."""

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from importlib.resources import files
from pathlib import Path

from ..files import atomic_write
from ..visualize.curves import Metrics, read_metrics
from . import facts
from .charts import curves_as_svg
from .confusions import confusion_sections
from .outcomes import read_outcomes
from .pictures import objects_per_size, picture_sections
from .run import Run


def write_report(run: Run, path: str | os.PathLike[str] | None = None) -> Path:
    """Write ``report.html`` of a training; what the training does not have is named in it.

    Args:
        run: with a metrics.json at least.
        path: default ``report.html`` in the folder of the training.

    Returns:
        path of the page.

    Raises:
        FileNotFoundError, ValueError: see :func:`~sepc.visualize.read_metrics`.
        ImportError: if matplotlib is not installed.
        OSError: if it can't be written.
    """
    path = run.folder / "report.html" if path is None else Path(path)
    page = render(run)
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def render(run: Run) -> str:
    """Make the page as text."""
    metrics = read_metrics(run.metrics)
    table = facts.coco_table(run, metrics)
    sections = {
        "COCO metrics": _coco(run, metrics, table),
        "Curves": _curves(run, metrics),
        **_detections(run),
        "Config": _config(run),
        "Environment": _environment(run),
    }
    return html_page(run.name, _summary(run, metrics, table), sections)


def html_page(title: str, summary: str, sections: Mapping[str, str]) -> str:
    """Make a page that needs nothing but a browser.

    Args:
        title: as text.
        summary: HTML below the title.
        sections: HTML by headings, which are HTML too.
    """
    body = "".join(f"<section><h2>{head}</h2>{html}</section>" for head, html in sections.items())
    title = escape(title)
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{title}</h1>{summary}</header>
{body}
</body>
</html>
"""


def _summary(run: Run, metrics: Metrics, table: Mapping[str, float]) -> str:
    cards = {name: f"{table[name]:.1f}" for name in ("AP", "AP50", "AP75") if name in table}
    cards["iterations"] = str(_last_iteration(metrics))
    seconds = facts.training_seconds(metrics)
    if seconds is not None:
        cards["time in training"] = str(timedelta(seconds=round(seconds)))
    items = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in cards.items())
    ended = datetime.fromtimestamp(run.metrics.stat().st_mtime).astimezone()
    when = ended.strftime("%Y-%m-%d %H:%M %Z")
    note = f'<p class="soft">SEPC for Detectron2. Last entry of the metrics: {when}</p>'
    return f'{note}<dl class="cards">{items}</dl>'


def _last_iteration(metrics: Metrics) -> int:
    """Number of iterations done: counted from 0, and the last evaluation has the number after."""
    trained = max((its[-1] + 1 for name, (its, _) in metrics.items() if "loss" in name), default=0)
    return trained or max(its[-1] for its, _ in metrics.values())


def _coco(run: Run, metrics: Metrics, table: Mapping[str, float]) -> str:
    if not table:
        return _absent("This training was not evaluated (see train.eval_period).")
    left = _table({name: _percent(value) for name, value in table.items()}, "numbers")
    sizes, classes = facts.ap_per_size(table), facts.ap_per_class(metrics)
    parts = []
    if sizes:
        try:
            counts = [f", {n} object" + "s" * (n != 1) for n in objects_per_size(run)]
        except ValueError:
            counts = [""] * len(sizes)
        named = {f"{k}{c}": v for (k, v), c in zip(sizes.items(), counts, strict=False)}
        parts.append(f"<h3>AP per size</h3>{bars(named)}")
    if classes:
        parts.append(f"<h3>AP per class</h3>{bars(classes)}")
    right = f"<div>{''.join(parts)}</div>" if parts else ""
    return f'<div class="columns"><div>{left}</div>{right}</div>'


def bars(values: Mapping[str, float]) -> str:
    """Draw percentages by their names as HTML; below 0 there is nothing to measure."""
    cells = "".join(
        f'<span>{escape(name)}</span><span class="track"><span class="fill" '
        f'style="width:{min(max(value, 0.0), 100.0):.1f}%"></span></span>'
        f'<span class="value">{_percent(value)}</span>'
        for name, value in values.items()
    )
    return f'<div class="bars">{cells}</div>'


def _percent(value: float) -> str:
    return "no objects" if value < 0 else f"{value:.1f}"


def _curves(run: Run, metrics: Metrics) -> str:
    charts = curves_as_svg({run.name: metrics}).values()
    cells = "".join(f'<div class="chart">{chart}</div>' for chart in charts)
    return f'<div class="columns">{cells}</div>'


def _detections(run: Run) -> dict[str, str]:
    """Make the sections that need the data of the evaluation and what was detected in them."""
    try:
        outcomes = read_outcomes(run)
    except (ValueError, FileNotFoundError) as error:
        return {"Classes and pictures": _absent(f"No confusion matrix and no pictures: {error}.")}
    try:
        pictures = picture_sections(run, outcomes)
    except (ValueError, FileNotFoundError) as error:
        pictures = _absent(f"No pictures: {error}.")
    return {"Classes": confusion_sections(outcomes), "Pictures": pictures}


def _config(run: Run) -> str:
    text = facts.config_text(run)
    known = _table(facts.config_facts(run), "facts")
    if text is None:
        return known or _absent("This training left no config.yaml.")
    whole = f"<details><summary>config.yaml</summary><pre>{escape(text)}</pre></details>"
    return known + whole


def _environment(run: Run) -> str:
    found, source = facts.environment(run)
    return f'<p class="soft">{source}</p>{_table(found, "facts")}'


def _table(values: Mapping[str, str], style: str) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in values.items()
    )
    return f'<table class="{style}">{rows}</table>' if rows else ""


def _absent(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'
