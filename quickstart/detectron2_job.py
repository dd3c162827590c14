"""Training with Detectron2: train_net.py on the quick start's config."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

from sepc.data.validate import read_annotations
from sepc.export import Agreement, join_names
from sepc.signals import passing_on

from .evaluation import busiest_image
from .settings import Settings, override_of


class TrainingFailed(RuntimeError):
    """Error of a training: train_net.py has ended with it, and has said which."""


def why_unavailable() -> str | None:
    """Why Detectron2 can't be used here, or None if it can."""
    try:
        import detectron2.engine
        import detectron2.modeling  # noqa: F401
    except ImportError as error:
        return str(error)
    return None


def train(settings: Settings, repository: Path) -> None:
    """Train and evaluate, or go on where the last checkpoint is.

    Raises:
        TrainingFailed: train_net.py returned an error.
        KeyboardInterrupt: it was stopped.
    """
    config, overrides = settings.config
    command = [
        sys.executable,
        str(repository / "train_net.py"),
        "--config-file",
        str(repository / config),
        "--resume",
        *overrides,
        override_of("train.output_dir", settings.output),
        f"train.max_iter={settings.iterations}",
        "train.report=False",  # the quick start writes its own, when it has exported
        override_of("+dataloader.evaluator.output_dir", settings.results.parent),
    ]
    environment = {"PYTHONWARNINGS": "ignore", **os.environ}  # of libraries about each other
    environment["DETECTRON2_DATASETS"] = str(settings.data.parent)
    process = subprocess.Popen(command, env=environment)
    with passing_on(process.send_signal):  # it saves a checkpoint first
        status = process.wait()
    if status in (130, -signal.SIGINT, 143, -signal.SIGTERM):
        raise KeyboardInterrupt
    if status != 0:
        raise TrainingFailed(f"train_net.py has ended with status {status}, see above")


def export(settings: Settings, repository: Path) -> Agreement:
    """Write the trained detector as ONNX, checked on the image with the most detections and others.

    Each is checked at several sizes.
    """
    from sepc.d2.engine import load_config
    from sepc.d2.export import export as export_config

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config, overrides = settings.config
        cfg = load_config(str(repository / config), overrides)
    content = read_annotations(settings.val_json)
    busiest = busiest_image(settings.load_results())
    entries = sorted(content["images"], key=lambda entry: entry["id"] != busiest)
    files = [str(settings.val_images / entry["file_name"]) for entry in entries[:3]]
    names = join_names([category["name"] for category in content["categories"]])
    exported = export_config(
        cfg, settings.weights, settings.onnx, images=files, metadata={"class_names": names}
    )
    return exported.agreement
