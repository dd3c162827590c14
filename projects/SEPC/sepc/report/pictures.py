"""Pictures of detections beside ground truth, inside the page."""

import base64
from html import escape
from itertools import pairwise

import cv2
import numpy as np

from ..visualize.drawing import class_color
from ..visualize.matching import ImageMatches
from ..visualize.mistakes import count_mistakes, mistake_panels
from .outcomes import Outcomes
from .run import Run

_SIDE = 300
_FIRST, _WORST = 4, 6  # images of each kind
_NAMED = 20  # classes


def data_uri(image: np.ndarray) -> str:
    """Encode an image (H, W, 3), BGR, as the address of a JPEG that is itself the picture."""
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


def class_label(index: int, name: str) -> str:
    """Name of a class after a patch of its color, as HTML."""
    patch = f'<span class="swatch" style="background:{class_color(index)}"></span>'
    return patch + escape(name)


def picture_sections(run: Run, outcomes: Outcomes) -> str:
    """Show the first and the worst images, and how much is missed and wrong in all, as HTML.

    Raises:
        ValueError, FileNotFoundError: for an image that is missing or can't be read.
    """
    matches, names = outcomes.matches, outcomes.names
    order = {entry["id"]: place for place, entry in enumerate(outcomes.content["images"])}
    in_order = sorted(matches, key=lambda each: order[each.image["id"]])
    missed, found, wrong, right = (
        sum(len(getattr(each, kind)) for each in matches)
        for kind in ("missed", "found", "wrong", "right")
    )
    return f"""
<p>Over all {len(matches)} images {missed} of {missed + found} objects are missed and {wrong} of
{wrong + right} detections are wrong, {outcomes.above}, matched as COCO does at IoU 0.5.</p>
<p class="soft">Left ground truth, right detections. What is <b>thin</b> agrees, <b>dashed</b> is
missed, <b>thick</b> is wrong (a false positive), gray is a crowd. Colors are those of the classes:
{_legend(names)}</p>
<h3>First images</h3>{_gallery(in_order[:_FIRST], run, names)}
<h3>Worst images</h3>{_gallery(matches[:_WORST], run, names)}"""


def _legend(names: dict[int, str]) -> str:
    """Colors of the classes by their names, of the first ones where there are many."""
    shown = [class_label(i, name) for i, name in enumerate(list(names.values())[:_NAMED])]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more." if more else ".")


def objects_per_size(run: Run) -> list[int]:
    """Numbers of small, medium and large objects, by COCO's areas; crowds do not count.

    Raises:
        ValueError: without annotations.
    """
    areas = [
        annotation.get("area", annotation["bbox"][2] * annotation["bbox"][3])
        for annotation in run.load_annotations().get("annotations", [])
        if not annotation.get("iscrowd", 0)
    ]
    edges = (0, 32**2, 96**2, float("inf"))
    return [sum(a <= area < b for area in areas) for a, b in pairwise(edges)]


def _gallery(matches: list[ImageMatches], run: Run, names: dict[int, str]) -> str:
    if run.images is None:
        raise ValueError(f"{run.folder}: the folder of the images is not known")
    figures = []
    for each in matches:
        name = escape(str(each.image["file_name"]))
        panels = mistake_panels(each, run.images, names, side=_SIDE)
        cells = "".join(
            f'<div><img src="{data_uri(panel)}" width="{panel.shape[1]}" '
            f'height="{panel.shape[0]}" alt="{what} of {name}"><p>{note}</p></div>'
            for panel, what, note in zip(
                panels, ("ground truth", "detections"), count_mistakes(each), strict=True
            )
        )
        figures.append(
            f'<figure><figcaption>{name}</figcaption><div class="pair">{cells}</div></figure>'
        )
    return f'<div class="pictures">{"".join(figures)}</div>'
