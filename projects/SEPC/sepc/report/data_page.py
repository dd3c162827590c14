"""Page of data sets: what is wrong with them, what is in them, and pictures of their boxes."""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..data.doctor import Diagnosis
from ..export.preprocess import read_image
from ..files import atomic_write
from ..visualize.detections import boxes_panel, category_colors
from .page import bars, html_page
from .pictures import class_label, data_uri

_IMAGES = 8
_SIDE = 300
_OCTAVES = (8, 16, 32, 64, 128, 256, 512)  # pixels, of the square root of a box's area


def write_data_page(found: Sequence[Diagnosis], path: str | os.PathLike[str]) -> None:
    """Write the page of a diagnosis.

    Args:
        found: see :func:`~sepc.data.doctor.diagnose`.
        path: HTML file to write.

    Raises:
        OSError: if it can't be written.
    """
    number = sum(len(x.problems) for x in found)
    summary = f"<p>{number} problem(s)</p>" if number else "<p>No problem found</p>"
    sections = {escape(x.data.name): _problems(x) + _contents(x) for x in found}
    page = html_page("Check of data", summary, sections)
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _problems(found: Diagnosis) -> str:
    items = "".join(
        f'<li class="wrong">{escape(part)}</li>'
        for line in found.problems
        for part in line.split("; ")
    )
    files = f"{escape(str(found.data.json_file))}, images in {escape(str(found.data.image_folder))}"
    return f'<p class="soft">{files}</p>' + (f"<ul>{items}</ul>" if items else "<p>Fine.</p>")


def _contents(found: Diagnosis) -> str:
    if found.content is None:
        return ""
    annotations = found.content.get("annotations", [])
    names = {x["id"]: x["name"] for x in found.content["categories"]}
    objects = Counter(a["category_id"] for a in annotations if not a.get("iscrowd"))
    images = Counter(c for _, c in {(a["image_id"], a["category_id"]) for a in annotations})
    rows = "".join(
        f"<tr><th>{class_label(i, f'{id_} {name}')}</th>"
        f"<td>{objects[id_]}</td><td>{images[id_]}</td></tr>"
        for i, (id_, name) in enumerate(sorted(names.items()))
    )
    crowds = sum(bool(a.get("iscrowd")) for a in annotations)
    filled = len({a["image_id"] for a in annotations})
    pictures = _pictures(found.content, Path(found.data.image_folder), names)
    return f"""
<p>{len(found.content["images"])} images, {filled} of them with annotations;
{len(annotations) - crowds} objects and {crowds} crowds.</p>
<table class="numbers"><tr><th>category</th><td>objects</td><td>images</td></tr>{rows}</table>
<h3>Sizes of the objects</h3>{_sizes(annotations)}
<h3>Images with the most objects</h3>{pictures}"""


def _sizes(annotations: list[dict[str, Any]]) -> str:
    sides = [(a["bbox"][2] * a["bbox"][3]) ** 0.5 for a in annotations if not a.get("iscrowd")]
    edges = (0.0, *_OCTAVES, float("inf"))
    shares = {}
    for low, high in pairwise(edges):
        name = f"{low:g} px and more" if high == edges[-1] else f"{low:g} to {high:g} px"
        shares[name] = 100 * sum(low <= side < high for side in sides) / max(len(sides), 1)
    return bars(shares)


def _pictures(content: dict[str, Any], folder: Path, names: dict[int, str]) -> str:
    boxes = defaultdict(list)
    for annotation in content.get("annotations", []):
        boxes[annotation["image_id"]].append(annotation)
    order = sorted(content["images"], key=lambda x: -len(boxes[x["id"]]))
    colors = category_colors(names)
    figures = []
    for entry in order[:_IMAGES]:
        name = escape(entry["file_name"])
        try:
            image = read_image(folder / entry["file_name"])
        except (OSError, ValueError) as error:
            figures.append(f"<figure><figcaption>{escape(str(error))}</figcaption></figure>")
            continue
        panel = boxes_panel(image, boxes[entry["id"]], names, colors, _SIDE)
        figures.append(
            f'<figure><figcaption>{name}</figcaption><img src="{data_uri(panel)}" '
            f'width="{panel.shape[1]}" height="{panel.shape[0]}" alt="boxes of {name}"></figure>'
        )
    return f'<div class="pictures">{"".join(figures)}</div>'
