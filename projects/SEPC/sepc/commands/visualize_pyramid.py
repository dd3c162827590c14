"""Draw what SEPC does to an image, as one figure.

    %(prog)s --config-file configs/quickstart/retinanet_sepc.py \\
        --weights output/quickstart/retinanet_sepc/model_final.pth --image scene.jpg pyramid.png

Feature maps of each level before and after the trunk; where the deformable kernels sample, drawn on
the image; how much the finer, the same and the coarser level give; and the statistics of each level
beside those of iBN. Works for every detector with the SEPC trunk or a neck of pyramid convolutions.
"""

from collections.abc import Sequence
from pathlib import Path

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
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
    parser.add_argument("--opts", default=[], nargs="*", help="overrides of the config, key=value")
    return parser.parse(argv)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("visualize_pyramid", parse_args(argv, prog))
