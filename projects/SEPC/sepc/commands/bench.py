"""Time a detector from pixels to boxes on this machine, of a config or as an exported file.

    %(prog)s --config-file COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x.py
    %(prog)s --config-file FILE --weights model_final.pth --size 800 1333 --batch 8
    %(prog)s --exported detector.onnx --size 800 1088

The images are noise of one size and are not resized. Without weights those of a new model are
timed: the network takes as long, but hardly anything is over the threshold, so that what NMS costs
is left out. The trunks against one another, and detectors against Detectron2's, are timed by the
benchmarks of the repository.
"""

from collections.abc import Sequence

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config-file", metavar="FILE", help="LazyConfig or YAML")
    what.add_argument("--exported", metavar="FILE", help="an ONNX file, on the CPU")
    parser.add_argument("--weights", metavar="FILE", help="a checkpoint; default: random ones")
    parser.add_argument(
        "--size", nargs=2, type=int, default=(800, 1088), metavar=("H", "W"), help="(800 1088)"
    )
    parser.add_argument("--batch", type=int, default=1, help="images at a time (1)")
    parser.add_argument("--rounds", type=int, default=10, help="timed, after one to warm up (10)")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="default: the GPU if there is one"
    )
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse(argv)
    if args.exported and (args.weights or args.opts or args.device or args.batch != 1):
        parser.error("--exported: expected no --weights, --device, --batch and key=value")
    for flag, least in (("batch", 1), ("rounds", 1)):
        if getattr(args, flag) < least:
            parser.error(f"--{flag}: expected {least} or more, got {getattr(args, flag)}")
    if min(args.size) < 1:
        parser.error(f"--size: expected two numbers of 1 or more, got {args.size}")
    return args


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("bench", parse_args(argv, prog))
