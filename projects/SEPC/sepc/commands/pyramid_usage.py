"""Tell which levels of its pyramid a detector uses on a data set, before it is trained.

    %(prog)s --config-file configs/quickstart/atss_sepc.py
    %(prog)s --config-file FILE --dataset my_data_train --images 200 \\
        dataloader.train.mapper.augmentations.0.short_edge_length=640

SEPC helps where objects are decided above the finest level and span several cells there. The table
says per level how many of the positive anchors and of the objects it has, and how many cells an
object spans at its level; a warning says where the pyramid is hardly used, and what to change. The
assigner is the detector's own, and images are augmented as in training.

FSAF chooses levels by its loss: name weights with `train.init_checkpoint=FILE`. FreeAnchor has no
positives: counted are the anchors in the bags of the objects.
"""

from collections.abc import Sequence

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--dataset", metavar="NAME", help="registered; default: that of training")
    parser.add_argument("--images", type=int, default=500, help="at most so many (500)")
    parser.add_argument("--seed", type=int, default=0, help="of choice and augmentation (0)")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse(argv)
    if args.images < 1:
        parser.error(f"--images: expected at least 1, got {args.images}")
    return args


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("pyramid_usage", parse_args(argv, prog))
