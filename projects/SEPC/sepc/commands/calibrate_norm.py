"""Make a checkpoint's running statistics anew from a data set: checkpoint in, checkpoint out.

    %(prog)s --config-file FILE --weights model_final.pth precise.pth
    %(prog)s --config-file FILE --weights model_final.pth adapted.pth \\
        --dataset shapes_shifted_train --alpha 0.5 --norms all

Without `--dataset` the images are those of the training: precise BN, for statistics that are better
than the running ones of a short training or of small batches. With images of another domain, which
need no ground truth, `--alpha` says how much of the old statistics to keep (alpha-BN).

See docs/norms.md. The weights are changed in nothing else, and what a checkpoint holds besides the
model is left out: it is for inference, or to begin a training from.
"""

from collections.abc import Sequence

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--weights", required=True, nargs=2, metavar=("IN", "OUT"))
    parser.add_argument("--dataset", metavar="NAME", help="registered; default: that of training")
    parser.add_argument("--images", type=int, default=200, help="at most so many (200)")
    parser.add_argument("--batch-size", type=int, help="images per batch; default: as in training")
    parser.add_argument("--alpha", type=float, default=0.0, help="share of old statistics (0)")
    parser.add_argument(
        "--norms", choices=("pyramid", "all"), default="pyramid", help="which ones (pyramid)"
    )
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    return parser.parse(argv)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("calibrate_norm", parse_args(argv, prog))
