"""Category lists of generated data sets."""

from .shapes import SHAPES

_UNUSED_IDS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
_COCO_NAMES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire "
    "hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, "
    "zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports "
    "ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine "
    "glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot "
    "dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, "
    "mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, "
    "clock, vase, scissors, teddy bear, hair drier, toothbrush"
)
#: COCO's 80 categories by their ids, which leave gaps up to 90.
COCO_CATEGORIES = dict(
    zip(
        (number for number in range(1, 91) if number not in _UNUSED_IDS),
        _COCO_NAMES.split(", "),
        strict=True,
    )
)

#: The COCO category whose place a shape takes.
SHAPE_TO_COCO = {
    "dotted circle": "sports ball",
    "ringed circle": "donut",
    "barred circle": "clock",
    "dotted square": "book",
    "ringed square": "toaster",
    "barred square": "tv",
    "dotted triangle": "pizza",
    "ringed triangle": "sandwich",
    "barred triangle": "boat",
    "dotted star": "kite",
    "ringed star": "airplane",
    "barred star": "bird",
}


def category_table(categories: str) -> tuple[dict[int, str], list[int]]:
    """Look up the categories of a data set, and the shapes' places among them.

    Args:
        categories: ``"shapes"`` for the shapes themselves; ``"coco"`` for all of COCO's
            categories, twelve of which are shown as shapes.

    Returns:
        ``(names, ids)``: category names by category id, and the category id of each shape in the
        order of :data:`~quickstart.data.shapes.SHAPES`.

    Raises:
        ValueError: for any other value.
    """
    if categories == "shapes":
        return dict(enumerate(SHAPES, start=1)), list(range(1, len(SHAPES) + 1))
    if categories == "coco":
        ids = {name: number for number, name in COCO_CATEGORIES.items()}
        return dict(COCO_CATEGORIES), [ids[SHAPE_TO_COCO[shape]] for shape in SHAPES]
    raise ValueError(f'expected categories "shapes" or "coco", got {categories!r}')
