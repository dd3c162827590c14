#!/usr/bin/env python
"""Run a detector on images, a video or a webcam, as Detectron2's demo does.

    python tools/demo.py --config-file output/quickstart/retinanet_pconv_ibn/config.yaml \
        --weights output/quickstart/retinanet_pconv_ibn/model_final.pth \
        --input datasets/shapes/val2017 --output pictures
    python tools/demo.py --onnx output/quickstart/retinanet_pconv_ibn/detector.onnx \
        --input 'photos/*.jpg' more.png --output results.json
    python tools/demo.py --onnx detector.onnx --video-input film.mp4 --output found.mp4
    python tools/demo.py --onnx detector.onnx --webcam

Without --output there is a window (q or escape ends it). An ONNX file needs no Detectron2; it is
data, where TorchScript and torch.export files are programs, which the demo does not run.
A bad image is left out and the others are done; each is named on the way and at the end, and the
exit status is 2.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sepc.calibration import ScoreCalibration
from sepc.demo import (
    Detections,
    Detector,
    OnnxDetector,
    expand_inputs,
    run_on_camera,
    run_on_images,
    run_on_video,
)
from sepc.demo.calibrated import CalibratedDetector
from sepc.demo.images import CocoResults, to_pictures
from sepc.demo.video import NoWindow, show
from sepc.export.devices import add_device_argument, note_untested
from sepc.program import exit_status


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
        "--confidence-threshold", type=float, help="default: 0.5; 0 with --calibration"
    )
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE", help="of tools/calibrate_scores.py"
    )
    parser.add_argument(
        "--batch-size", type=int, default=8, help="of images of the same size, or frames"
    )
    parser.add_argument(
        "--opts",
        default=[],
        nargs=argparse.REMAINDER,
        help="overrides of the config: key=value, for YAML KEY VALUE",
    )
    args = parser.parse_args(argv)
    if args.webcam is not None and args.output is not None:
        parser.error("--webcam shows a window: expected no --output")
    if args.onnx is not None and (args.weights or args.opts):
        parser.error("--onnx: expected no --weights and no --opts")
    if args.onnx is None and args.device != "cpu":
        parser.error("--device: expected --onnx; a config has train.device")
    if args.confidence_threshold is None:
        args.confidence_threshold = 0.0 if args.calibration else 0.5
    if not 0 <= args.confidence_threshold <= 1:
        parser.error(f"--confidence-threshold: expected 0 to 1, got {args.confidence_threshold}")
    if args.batch_size < 1:
        parser.error(f"--batch-size: expected 1 or more, got {args.batch_size}")
    return args


def load(args: argparse.Namespace) -> Detector:
    if args.calibration is None:
        return load_detector(args, args.confidence_threshold)
    calibration = ScoreCalibration.load(args.calibration)
    return CalibratedDetector(load_detector(args, calibration.least_score), calibration)


def load_detector(args: argparse.Namespace, threshold: float) -> Detector:
    if args.onnx is not None:
        note_untested(args.device)
        onnx = OnnxDetector(args.onnx, args.device)
        if threshold < onnx.score_threshold:
            note = f"note: {args.onnx} itself leaves out scores under {onnx.score_threshold:g}"
            print(note, file=sys.stderr)
        return onnx
    try:
        from sepc.d2.demo import Detectron2Detector
        from sepc.d2.predictor import Predictor
    except ImportError as error:
        raise ImportError(f"{error}; without Detectron2 use an exported file: --onnx") from error

    predictor = Predictor.from_config(args.config_file, weights=args.weights, overrides=args.opts)
    predictor.lower_score_threshold(threshold)
    return Detectron2Detector(predictor)


def detect_in_images(
    args: argparse.Namespace, detector: Detector, report: Callable[[str], None]
) -> str:
    """Detect in image files; return what to say at the end."""
    paths = expand_inputs(args.input, report)
    json_sink = None
    if args.output is None:
        sink = in_window(detector)
    elif args.output.suffix.lower() == ".json":
        sink = json_sink = CocoResults(paths, detector.category_ids)
    else:
        sink = to_pictures(detector, args.output, paths)
    done = run_on_images(
        paths,
        detector,
        sink,
        threshold=args.confidence_threshold,
        batch_size=args.batch_size if args.output else 1,
        report=report,
        show_progress=args.output is not None,
    )
    if json_sink is not None and done:
        json_sink.write(args.output)
    return f"{done} of {len(paths)} images done" + (f": {args.output}" if args.output else "")


def in_window(detector: Detector) -> Callable[[Path, np.ndarray, Detections], bool]:
    return lambda path, image, found: show("detections", detector.draw(image, found), wait_ms=0)


def run(args: argparse.Namespace, report: Callable[[str], None]) -> str:
    detector = load(args)
    if args.input is not None:
        return detect_in_images(args, detector, report)
    if args.webcam is not None:
        frames = run_on_camera(args.webcam, detector, threshold=args.confidence_threshold)
        return f"{frames} frames shown"
    frames = run_on_video(
        args.video_input,
        detector,
        args.output,
        threshold=args.confidence_threshold,
        batch_size=args.batch_size if args.output else 1,
        report=report,
        show_progress=args.output is not None,
    )
    return f"{frames} frames done" + (f": {args.output}" if args.output else "")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    problems: list[str] = []

    def report(problem: str) -> None:
        problems.append(problem)
        print(f"left out: {problem}", file=sys.stderr)

    status = exit_status(lambda: print(run(args, report)), ImportError, NoWindow)
    if status or not problems:
        return status
    print(f"{len(problems)} problem(s):", *problems, sep="\n  ", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
