"""Average the weights of several checkpoints of one model into one checkpoint.

    %(prog)s --config-file FILE --weights A B C --output mean.pth
    %(prog)s --config-file FILE --weights A B --output mean.pth --greedy

All of them count alike; or with `--greedy` only those that raise AP on the config's test set, the
best ones first, so that AP on these images says nothing about the result any more. Afterwards the
running statistics of norms over the pyramid are made anew from images of the training (`--images 0`
leaves them averaged): those of an average of weights are not the average of theirs.

Worth a try are the last checkpoints of a training, or trainings that began with the same weights.
What a checkpoint holds besides the model is left out.
"""

from collections.abc import Sequence

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--weights", required=True, nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--output", required=True, metavar="FILE", help="checkpoint to write")
    parser.add_argument("--greedy", action="store_true", help="only those that raise AP")
    parser.add_argument("--images", type=int, default=200, help="for the statistics (200)")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    return parser.parse(argv)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("average_checkpoints", parse_args(argv, prog))
