"""Measure how a detector does on corrupted images: mPC and rPC, 15 corruptions at 5 severities.

    %(prog)s --config-file configs/quickstart/retinanet_sepc.py \\
        --output output/robustness train.init_checkpoint=output/model_final.pth
    %(prog)s --config-file FILE --exported detector.onnx --output FOLDER

It can be stopped at any time, and the same command goes on. FOLDER gets robustness.json with every
evaluation, robustness.md with the tables and robustness.png. See docs/robustness.md.
"""

from collections.abc import Sequence
from pathlib import Path

from .parser import Namespace, Parser, start

CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
SEVERITIES = (1, 2, 3, 4, 5)


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument(
        "--config-file", required=True, metavar="FILE", help="whose test set counts"
    )
    parser.add_argument("--exported", metavar="FILE", help="instead of train.init_checkpoint")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--corruptions",
        nargs="+",
        choices=CORRUPTIONS,
        metavar="NAME",
        help="default: all there are",
    )
    parser.add_argument("--severities", nargs="+", type=int, choices=SEVERITIES, default=SEVERITIES)
    parser.add_argument("--alpha", type=float, help="alpha-BN: share of old statistics (none)")
    parser.add_argument("--images", type=int, default=200, help="to take statistics from (200)")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse(argv)
    if args.exported and args.alpha is not None:
        parser.error("--alpha: expected no --exported, whose norms are folded")
    return args


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("robustness", parse_args(argv, prog))
