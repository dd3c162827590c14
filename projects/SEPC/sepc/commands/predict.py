"""Run a detector on images, a video or a webcam, as Detectron2's demo does.

    %(prog)s --config-file output/quickstart/retinanet_pconv_ibn/config.yaml \\
        --weights output/quickstart/retinanet_pconv_ibn/model_final.pth \\
        --input datasets/shapes/val2017 --output pictures
    %(prog)s --onnx output/quickstart/retinanet_pconv_ibn/detector.onnx \\
        --input 'photos/*.jpg' more.png --output results.json
    %(prog)s --onnx detector.onnx --video-input film.mp4 --output found.mp4
    %(prog)s --onnx detector.onnx --webcam

Without --output there is a window (q or escape ends it). An ONNX file needs no Detectron2; it is
data, where TorchScript and torch.export files are programs, which it does not run.
A bad image is left out and the others are done; each is named on the way and at the end, and the
exit status is 2.
"""

from collections.abc import Sequence
from pathlib import Path

from ..export.devices import add_device_argument
from ..score_threshold import SHOWN_SCORE
from .parser import Namespace, Parser, start


def parse_args(argv: Sequence[str] | None = None, prog: str | None = None) -> Namespace:
    parser = Parser(__doc__, prog)
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--config-file", metavar="FILE", help="LazyConfig, or YAML")
    model.add_argument(
        "--onnx", type=Path, metavar="FILE", help="an exported detector, or OpenVINO's .xml"
    )
    add_device_argument(parser)
    parser.add_argument("--weights", default="", metavar="FILE", help="default: the config's")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--input", nargs="+", metavar="IMAGE", help="files, folders, globs")
    source.add_argument("--video-input", type=Path, metavar="FILE")
    source.add_argument("--webcam", nargs="?", type=int, const=0, metavar="NUMBER")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder; picture for one image; .json for COCO's results; video for a video",
    )
    parser.add_argument(
        "--confidence-threshold",
        type=float,
        metavar="SCORE",
        help=f"leave out what scores less; default: {SHOWN_SCORE:g}, 0 with --calibration",
    )
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE", help="of `sepc calibrate-scores`"
    )
    parser.add_argument(
        "--batch-size", type=int, default=8, help="of images of the same size, or frames"
    )
    parser.add_argument(
        "--opts",
        default=[],
        nargs="*",
        help="overrides of the config: key=value, for YAML KEY VALUE",
    )
    args = parser.parse(argv)
    if args.webcam is not None and args.output is not None:
        parser.error("--webcam shows a window: expected no --output")
    if args.onnx is not None and (args.weights or args.opts):
        parser.error("--onnx: expected no --weights and no --opts")
    if args.onnx is None and args.device != "cpu":
        parser.error("--device: expected --onnx; a config has train.device")
    if args.confidence_threshold is None:
        args.confidence_threshold = 0.0 if args.calibration else SHOWN_SCORE
    if not 0 <= args.confidence_threshold <= 1:
        parser.error(f"--confidence-threshold: expected 0 to 1, got {args.confidence_threshold}")
    if args.batch_size < 1:
        parser.error(f"--batch-size: expected 1 or more, got {args.batch_size}")
    return args


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    return start("predict", parse_args(argv, prog))
