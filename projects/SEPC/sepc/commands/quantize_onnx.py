"""Write an exported ONNX file, or one of OpenVINO, in a smaller precision.

    %(prog)s model.onnx model.float16.onnx --precision float16
    %(prog)s model.onnx model.int8.onnx --precision int8-static \\
        --images datasets/shapes/train2017/*.jpg

Backbone and head are converted; boxes are decoded in float32. An OpenVINO file (.xml) goes to
int8-static alone, by NNCF. int8-static takes the ranges of the maps from --images: some dozens of
the training data. What a precision costs is measured by
`sepc evaluate-exported`, and for all of them at once by benchmarks/precisions.py.
"""

from collections.abc import Sequence

from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("source", metavar="IN", help="written by `sepc export`")
    parser.add_argument("output", metavar="OUT", help="the file to write")
    parser.add_argument(
        "--precision", choices=("float16", "int8-dynamic", "int8-static"), required=True
    )
    parser.add_argument("--images", nargs="+", default=[], metavar="FILE", help="to calibrate on")
    parser.add_argument("--number", type=int, default=64, help="of the images at most (64)")
    return parser.parse(argv)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("quantize_onnx", parse_args(argv, prog))
