"""Draw what SEPC does to an image, as one figure.

    python tools/visualize_pyramid.py --config-file configs/quickstart/retinanet_sepc.py \
        --weights output/quickstart/retinanet_sepc/model_final.pth --image scene.jpg pyramid.png

Feature maps of each level before and after the trunk; where the deformable kernels sample, drawn on
the image; how much the finer, the same and the coarser level give; and the statistics of each level
beside those of iBN. Works for every detector with the SEPC trunk or a neck of pyramid convolutions.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sepc.program import exit_status


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="LazyConfig or YAML")
    parser.add_argument("--weights", default="", metavar="FILE", help="default: the config's")
    parser.add_argument("--image", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--layer",
        action="append",
        default=[],
        help='whose offsets to draw, such as "stage 4, finer"; again for more than one',
    )
    parser.add_argument("--dpi", type=int, default=100)
    parser.add_argument("output", type=Path, metavar="OUT.png")
    parser.add_argument(
        "--opts", default=[], nargs=argparse.REMAINDER, help="overrides of the config, key=value"
    )
    return parser.parse_args(argv)


def draw(args: argparse.Namespace) -> None:
    from sepc.d2.predictor import Predictor
    from sepc.export.preprocess import read_image
    from sepc.visualize import plot_pyramid, record_trunk

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


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: draw(args), ImportError)
