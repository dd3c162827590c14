"""Evaluate a checkpoint by COCO's metrics: ``train --eval-only``, with the weights as a flag.

    %(prog)s --config-file output/config.yaml --weights output/model_final.pth
    %(prog)s --config-file FILE --weights model_final.pth --num-gpus 8

An exported file is evaluated by evaluate-exported.
"""

from collections.abc import Sequence

from .parser import Namespace, Parser, start
from .train import add_launch_arguments, parse_launch


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("--weights", metavar="FILE", help="default: train.init_checkpoint")
    add_launch_arguments(parser)
    parser.set_defaults(eval_only=True, resume=False)
    args = parse_launch(parser, argv)
    if args.weights:
        args.opts.append(f"train.init_checkpoint={args.weights}")
    return args


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("train", parse_args(argv, prog))
