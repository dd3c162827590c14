"""Train or evaluate a detector of a LazyConfig file, on GPUs of one or many machines or a CPU.

    %(prog)s --config-file configs/quickstart/retinanet_sepc.py train.max_iter=500
    %(prog)s --config-file FILE --num-gpus 8 train.output_dir=output/mine --resume
    %(prog)s --config-file FILE --data datasets/my_data --show-batches
    %(prog)s --config-file FILE --eval-only train.init_checkpoint=output/model_final.pth

On several machines, of which number 0 listens:

    %(prog)s --machine-rank 0 --num-machines 2 --dist-url tcp://HOST:PORT --config-file FILE
    %(prog)s --machine-rank 1 --num-machines 2 --dist-url tcp://HOST:PORT --config-file FILE

A config that is no file in this folder is looked for among those of the package. Flags and
overrides, key=value, come in any order.
"""

import os
from collections.abc import Sequence
from typing import Any

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("--resume", action="store_true", help="go on where the output folder is")
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="train on this folder in COCO's layout: what the config has for COCO follows the data",
    )
    parser.add_argument(
        "--show-batches",
        action="store_true",
        help="draw the first images with their boxes into the output folder, then train",
    )
    parser.add_argument("--eval-only", action="store_true", help="evaluate, do not train")
    add_launch_arguments(parser)
    return parse_launch(parser, argv)


def add_launch_arguments(parser: Parser) -> None:
    """Add the config, its overrides and where to run: the names are Detectron2's."""
    parser.add_argument("--config-file", default="", metavar="FILE", help="LazyConfig")
    parser.add_argument("--num-gpus", type=int, default=1, help="of each machine; 0: the CPU (1)")
    parser.add_argument("--num-machines", type=int, default=1, help="(1)")
    parser.add_argument("--machine-rank", type=int, default=0, help="number of this machine (0)")
    parser.add_argument(
        "--dist-url",
        default=f"tcp://127.0.0.1:{_port()}",
        metavar="URL",
        help="where the processes meet (%(default)s)",
    )
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")


def parse_launch(parser: Parser, argv: Sequence[str] | None) -> Namespace:
    """Parse, and make sure that there is a config.

    Raises:
        SystemExit: see :meth:`.Parser.parse`.
    """
    args = parser.parse(argv)
    if not args.config_file:
        parser.error("no config: expected --config-file FILE")
    return args


def _port() -> int:
    """Port of this user, always the same, so that an orphan of an earlier training is noticed."""
    return 49152 + (os.getuid() if hasattr(os, "getuid") else 1) % 16384


def train(args: Namespace) -> dict[str, Any]:
    """Train in this process, or evaluate and return the metrics."""
    from ..jobs.train import train

    return train(args)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("train", parse_args(argv, prog))
