"""Training with Detectron2: train_net.py on the quick start's config."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import torch

from ..export import Agreement, export_onnx
from .evaluation import busiest_image
from .settings import Settings


class TrainingFailed(RuntimeError):
    """train_net.py has ended with an error, and has said which."""


def why_unavailable() -> str | None:
    """Why Detectron2 can't be used here, or None if it can."""
    try:
        import detectron2.engine
        import detectron2.modeling  # noqa: F401
    except ImportError as error:
        return str(error)
    return None


def config_file(repository: Path, variant: str) -> Path:
    return repository / "configs" / "quickstart" / f"retinanet_{variant}.py"


def train(settings: Settings, repository: Path) -> None:
    """Train and evaluate, or go on where the last checkpoint is.

    Raises:
        TrainingFailed: train_net.py returned an error.
        KeyboardInterrupt: it was stopped.
    """
    command = [
        sys.executable,
        str(repository / "train_net.py"),
        "--config-file",
        str(config_file(repository, settings.variant)),
        "--resume",
        f"train.output_dir={settings.output}",
        f"train.max_iter={settings.iterations}",
        f"+dataloader.evaluator.output_dir={settings.results.parent}",
    ]
    environment = {"PYTHONWARNINGS": "ignore", **os.environ}  # of libraries about each other
    environment["DETECTRON2_DATASETS"] = str(settings.data.parent)
    process = subprocess.Popen(command, env=environment)
    with _signals_to(process):
        status = process.wait()
    if status in (130, -signal.SIGINT, 143, -signal.SIGTERM):
        raise KeyboardInterrupt
    if status != 0:
        raise TrainingFailed(f"train_net.py has ended with status {status}, see above")


@contextlib.contextmanager
def _signals_to(process: subprocess.Popen) -> Iterator[None]:
    """Leaves it to the training to end on a signal: it saves a checkpoint first."""

    def pass_on(signum: int, frame: FrameType | None) -> None:
        if signum != signal.SIGINT:  # the terminal sends that one to both
            process.send_signal(signum)

    old = {s: signal.signal(s, pass_on) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in old.items():
            signal.signal(signum, handler)


def export(settings: Settings, repository: Path) -> Agreement:
    """The trained detector as ONNX, checked on the image with the most detections."""
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import LazyConfig, instantiate
    from detectron2.data import detection_utils

    from ..d2.export import ExportableDetector, detect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cfg = LazyConfig.load(str(config_file(repository, settings.variant)))
    model = instantiate(cfg.model).eval()
    DetectionCheckpointer(model).load(str(settings.weights))
    content = json.loads(settings.val_json.read_text())
    busiest = busiest_image(settings.load_results())
    entry = next((e for e in content["images"] if e["id"] == busiest), content["images"][0])
    pixels = detection_utils.read_image(
        str(settings.val_images / entry["file_name"]), model.input_format
    )
    return export_onnx(
        ExportableDetector(model),
        settings.onnx,
        image=torch.from_numpy(pixels.transpose(2, 0, 1).copy()),
        reference=lambda image: detect(model, image),
        metadata={
            "class_names": ",".join(category["name"] for category in content["categories"]),
            "input_format": model.input_format,
            "score_threshold": str(model.test_score_thresh),
        },
    )
