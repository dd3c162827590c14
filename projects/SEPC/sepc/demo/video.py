"""Demo on the frames of a video or a camera."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..data.progress import progress
from ..files import atomic_write
from .detections import Detector
from .images import Report

_CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
_ESCAPE, _Q = 27, ord("q")


class NoWindow(RuntimeError):
    """Error: this machine or this build of OpenCV has no windows."""


def run_on_video(
    source: Path,
    detector: Detector,
    output: Path | None,
    *,
    threshold: float,
    batch_size: int,
    report: Report,
    show_progress: bool = True,
) -> int:
    """Draw detections into every frame of a video.

    Args:
        output: a file that ends in .mp4, .mkv or .avi; a folder gets an .mp4 of the video's name;
            None shows a window. The file appears when it is complete.
        batch_size: frames at a time.

    Returns:
        number of frames.

    Raises:
        FileNotFoundError, ValueError: for a video that is missing or can't be read.
        OSError: if it can't be written.
    """
    if not source.is_file():
        raise FileNotFoundError(f"the video {source} does not exist")
    video = cv2.VideoCapture(str(source))
    try:
        announced = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        frames = progress(
            _frames(video),
            total=announced if announced > 0 else None,
            description=source.name,
            unit="frame",
            show=show_progress,
        )
        drawn = draw_frames(frames, detector, threshold=threshold, batch_size=batch_size)
        if output is None:
            count = _show(drawn, source.name)
        else:
            rate = video.get(cv2.CAP_PROP_FPS) or 25.0
            count = _write(drawn, _target(source, output), rate)
    finally:
        video.release()
    if count == 0:
        raise ValueError(f"{source}: expected a video, can't read a frame of it")
    if output is not None and count < announced:
        report(f"{source}: ended after {count} of {announced} frames")
    return count


def run_on_camera(number: int, detector: Detector, *, threshold: float) -> int:
    """Show what a camera sees, until escape or q is pressed.

    Returns:
        number of frames.

    Raises:
        OSError: if there is no such camera.
    """
    camera = cv2.VideoCapture(number)
    try:
        if not camera.isOpened():
            raise OSError(f"can't open the camera {number}")
        drawn = draw_frames(_frames(camera), detector, threshold=threshold, batch_size=1)
        return _show(drawn, f"camera {number}")
    finally:
        camera.release()


def draw_frames(
    frames: Iterable[np.ndarray], detector: Detector, *, threshold: float, batch_size: int
) -> Iterator[np.ndarray]:
    """Frames with their detections, in their order."""
    frames = iter(frames)
    while batch := list(islice(frames, batch_size)):
        for frame, found in zip(batch, detector(batch), strict=True):
            yield detector.draw_frame(frame, found.above(threshold))


def _frames(video: Any) -> Iterator[np.ndarray]:
    while video.isOpened():
        there, frame = video.read()
        if not there:
            return
        yield frame


def _target(source: Path, output: Path) -> Path:
    if output.suffix.lower() in _CODECS:
        target = output
    elif output.is_dir() or not output.suffix:
        target = output / f"{source.stem}.mp4"
    else:
        raise ValueError(f"expected a video among {list(_CODECS)} or a folder, got {output}")
    if target.exists() and target.samefile(source):
        raise ValueError(f"{target} would take the place of the video; choose another name")
    return target


def _write(frames: Iterator[np.ndarray], target: Path, rate: float) -> int:
    first = next(frames, None)
    if first is None:
        return 0
    height, width = first.shape[:2]
    code = cv2.VideoWriter.fourcc(*_CODECS[target.suffix.lower()])
    count = 0
    with atomic_write(target) as partial:
        writer = cv2.VideoWriter(str(partial), code, rate, (width, height))
        if not writer.isOpened():
            raise OSError(f"this OpenCV can't write the video {target}")
        try:
            for frame in chain([first], frames):
                writer.write(frame)
                count += 1
        finally:
            writer.release()
        written = _count_frames(partial)  # OpenCV does not tell that a disk is full
        if written != count:
            raise OSError(f"only {written} of {count} frames could be written to {target}")
    return count


def _count_frames(path: Path) -> int:
    video = cv2.VideoCapture(str(path))
    count = sum(1 for _ in iter(video.grab, False))
    video.release()
    return count


def _show(frames: Iterator[np.ndarray], name: str) -> int:
    count = 0
    for frame in frames:
        count += 1
        if not show(name, frame, wait_ms=1):
            break
    return count


def show(name: str, picture: np.ndarray, *, wait_ms: int) -> bool:
    """Show a picture in a window.

    Args:
        wait_ms: for a key; 0 waits until there is one.

    Returns:
        False if the key was escape or q.

    Raises:
        NoWindow: if none can be opened.
    """
    try:
        cv2.namedWindow(name, cv2.WINDOW_NORMAL)
        cv2.imshow(name, picture)
        key = cv2.waitKey(wait_ms) & 0xFF
    except cv2.error as error:
        raise NoWindow(
            "can't open a window: give --output, or install the package opencv-python in place of "
            "opencv-python-headless and use a machine with a display"
        ) from error
    return key not in (_ESCAPE, _Q)
