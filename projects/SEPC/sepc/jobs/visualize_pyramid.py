"""Draw what SEPC does to an image, as one figure."""

import argparse

from ..program import exit_status


def draw(args: argparse.Namespace) -> None:
    from ..d2.predictor import Predictor
    from ..export.preprocess import read_image
    from ..visualize import plot_pyramid, record_trunk

    image = read_image(args.image)
    predictor = Predictor.from_config(
        args.config_file, weights=args.weights, overrides=args.opts, device="cpu"
    )
    with record_trunk(predictor.model) as record:
        (found,) = predictor([image])
    shown = predictor.shown_to_model(image)
    names = getattr(predictor.model, "head_in_features", None) or ()
    levels = [name.upper() for name in names] if len(names) == len(record.inputs) else ()
    scale = predictor.prepare(image)["image"].shape[-1] / image.shape[1]
    points = [(scale * x, scale * y) for x, y in objects_apart(found.pred_boxes.tensor.tolist())]
    plot_pyramid(
        record,
        shown,
        args.output,
        levels=levels,
        layers=args.layer,
        points=points,
        dpi=args.dpi,
    )
    print(args.output)


def objects_apart(boxes: list[list[float]], *, count: int = 3) -> list[tuple[float, float]]:
    """Find the centers (x, y) of the first boxes that lie apart from those before them."""
    kept: list[list[float]] = []
    for box in boxes:
        overlaps = (
            min(box[2], other[2]) > max(box[0], other[0])
            and min(box[3], other[3]) > max(box[1], other[1])
            for other in kept
        )
        if not any(overlaps):
            kept.append(box)
        if len(kept) == count:
            break
    return [((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in kept]


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: draw(args), ImportError)
