"""The category lists of generated data sets."""

from .shapes import SHAPES

#: COCO's 80 categories by their ids, which leave gaps up to 90.
COCO_CATEGORIES = {
    1: "person",
    2: "bicycle",
    3: "car",
    4: "motorcycle",
    5: "airplane",
    6: "bus",
    7: "train",
    8: "truck",
    9: "boat",
    10: "traffic light",
    11: "fire hydrant",
    13: "stop sign",
    14: "parking meter",
    15: "bench",
    16: "bird",
    17: "cat",
    18: "dog",
    19: "horse",
    20: "sheep",
    21: "cow",
    22: "elephant",
    23: "bear",
    24: "zebra",
    25: "giraffe",
    27: "backpack",
    28: "umbrella",
    31: "handbag",
    32: "tie",
    33: "suitcase",
    34: "frisbee",
    35: "skis",
    36: "snowboard",
    37: "sports ball",
    38: "kite",
    39: "baseball bat",
    40: "baseball glove",
    41: "skateboard",
    42: "surfboard",
    43: "tennis racket",
    44: "bottle",
    46: "wine glass",
    47: "cup",
    48: "fork",
    49: "knife",
    50: "spoon",
    51: "bowl",
    52: "banana",
    53: "apple",
    54: "sandwich",
    55: "orange",
    56: "broccoli",
    57: "carrot",
    58: "hot dog",
    59: "pizza",
    60: "donut",
    61: "cake",
    62: "chair",
    63: "couch",
    64: "potted plant",
    65: "bed",
    67: "dining table",
    70: "toilet",
    72: "tv",
    73: "laptop",
    74: "mouse",
    75: "remote",
    76: "keyboard",
    77: "cell phone",
    78: "microwave",
    79: "oven",
    80: "toaster",
    81: "sink",
    82: "refrigerator",
    84: "book",
    85: "clock",
    86: "vase",
    87: "scissors",
    88: "teddy bear",
    89: "hair drier",
    90: "toothbrush",
}

#: The COCO category whose place a shape takes.
SHAPE_TO_COCO = {
    "circle": "sports ball",
    "square": "book",
    "triangle": "pizza",
    "star": "kite",
    "cross": "airplane",
    "ring": "donut",
}


def category_table(categories: str) -> tuple[dict[int, str], list[int]]:
    """The categories of a data set, and the shapes' places among them.

    Args:
        categories: ``"shapes"`` for the shapes themselves; ``"coco"`` for all of COCO's
            categories, six of which are shown as shapes.

    Returns:
        ``(names, ids)``: category names by category id, and the category id of each shape in the
        order of :data:`~sepc.data.shapes.SHAPES`.

    Raises:
        ValueError: for any other value.
    """
    if categories == "shapes":
        return dict(enumerate(SHAPES, start=1)), list(range(1, len(SHAPES) + 1))
    if categories == "coco":
        ids = {name: number for number, name in COCO_CATEGORIES.items()}
        return dict(COCO_CATEGORIES), [ids[SHAPE_TO_COCO[shape]] for shape in SHAPES]
    raise ValueError(f'expected categories "shapes" or "coco", got {categories!r}')
