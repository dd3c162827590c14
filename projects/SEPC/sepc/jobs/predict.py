"""Run a detector on images, a video or a webcam, as Detectron2's demo does."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..calibration import ScoreCalibration
from ..demo import (
    Detections,
    Detector,
    OnnxDetector,
    expand_inputs,
    run_on_camera,
    run_on_images,
    run_on_video,
)
from ..demo.calibrated import CalibratedDetector
from ..demo.images import CocoResults, to_pictures
from ..demo.video import NoWindow, show
from ..export.devices import note_untested
from ..program import exit_status


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
        from ..d2.demo import Detectron2Detector
        from ..d2.predictor import Predictor
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


def main(args: argparse.Namespace) -> int:
    problems: list[str] = []

    def report(problem: str) -> None:
        problems.append(problem)
        print(f"left out: {problem}", file=sys.stderr)

    status = exit_status(lambda: print(run(args, report)), ImportError, NoWindow)
    if status or not problems:
        return status
    print(f"{len(problems)} problem(s):", *problems, sep="\n  ", file=sys.stderr)
    return 2
