"""Write a trained detector as one file, from pixels to detections, and check it.

    %(prog)s --config-file FILE --weights model_final.pth model.onnx

The file takes images of any size unless --image-size fixes one. It gets its name only after it has
found what PyTorch finds, in several images: boxes within 0.01 pixels, scores within 1e-4, the same
classes. Overrides of the config, key=value, come last. See docs/export.md.
"""

from collections.abc import Sequence

from ..export.signature import FORMATS
from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("--config-file", required=True, metavar="FILE", help="of the training")
    parser.add_argument("--weights", required=True, metavar="FILE", help="a checkpoint")
    parser.add_argument("--format", choices=FORMATS, default="onnx")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--dynamic", action="store_true", help="images of any size (the default)")
    sizes.add_argument("--image-size", nargs=2, type=int, metavar=("H", "W"), help="of this one")
    parser.add_argument(
        "--batch",
        type=_batch,
        metavar="N",
        help='take this many images at a time, or any number with "dynamic"; default: one image',
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="FILE",
        help="to check the file on; default: those of the config's test set with the most objects",
    )
    parser.add_argument(
        "--no-deform-conv",
        action="store_true",
        help="ONNX without DeformConv, for runtimes that lack it: gather and matrix product",
    )
    parser.add_argument(
        "--dump-ir", metavar="FOLDER", help="write the code of a TorchScript file, to read it"
    )
    parser.add_argument("output", metavar="OUT", help="the file to write")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    return parser.parse(argv)


def _batch(text: str) -> int | str:
    return text if text == "dynamic" else int(text)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("export", parse_args(argv, prog))
