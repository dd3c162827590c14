"""Evaluate an exported detector of any format by COCO's metrics.

    %(prog)s model.onnx --config-file configs/quickstart/retinanet_sepc.py
    %(prog)s model.onnx --dataset coco_2017_val

With a config the images are read and resized as it says, with the name of a data set as the texts
in the file say. The file runs on the CPU unless --device names another; OMP_NUM_THREADS sets the
threads. TorchScript and torch.export files are programs, which --trust runs: give it for your own
files alone.
"""

from collections.abc import Sequence

from ..export.devices import add_device_argument
from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("file", metavar="FILE", help="written by `sepc export`")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--config-file", metavar="FILE", help="whose test set is used")
    data.add_argument("--dataset", metavar="NAME", help="registered in Detectron2's catalog")
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run a TorchScript or torch.export file, which is a program, not data",
    )
    add_device_argument(parser)
    parser.add_argument("--json", metavar="FILE", help="write the metrics there as well")
    parser.add_argument("--calibration", metavar="FILE", help="of the scores, without thresholds")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    args = parser.parse(argv)
    if args.opts and not args.config_file:
        parser.error("key=value: expected --config-file")
    return args


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("evaluate_exported", parse_args(argv, prog))
