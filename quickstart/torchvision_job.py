"""Training with torchvision alone, for the quick start where Detectron2 can't be had."""

from __future__ import annotations

import json
import math
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sepc.checkpoint.reading import read_data
from sepc.checkpoint.writing import write_data
from sepc.export import Agreement, export_onnx, join_names
from sepc.files import atomic_write
from sepc.learning_rate import lr_factor
from sepc.metrics import append_rows, rewind_metrics
from sepc.signals import StopSignals
from sepc.tv import ATSS, ExportableDetector, build_small_atss, detect

from .coco_images import CocoImages
from .evaluation import busiest_image, coco_metrics
from .settings import CHANNELS, HOLD, Settings

BATCH = 16
LEARNING_RATE = 1e-3
WARM_UP = 0.1  # of the training
SEED = 1
LOG_PERIOD = 20
CHECKPOINT_PERIOD = 100
EVAL_PERIOD = 500


def train(settings: Settings) -> None:
    """Train and evaluate, or go on where the last checkpoint is.

    Raises:
        FloatingPointError: if a loss is not finite; the last checkpoint stays.
        KeyboardInterrupt: after SIGINT or SIGTERM; a checkpoint is saved first.
    """
    with StopSignals("stopping after this iteration, once more to stop at once") as stop:
        _train(settings, stop)


def _train(settings: Settings, stop: StopSignals) -> None:
    torch.manual_seed(SEED)
    train_json = settings.data / "annotations" / "instances_train2017.json"
    data = CocoImages(train_json, settings.data / "train2017")
    val = CocoImages(settings.val_json, settings.val_images)
    model = build_small_atss(
        settings.variant, num_classes=len(data.category_ids), channels=CHANNELS
    )
    factor = lr_factor(offset=0.1)
    rates = [LEARNING_RATE * factor(name) for name, _ in model.named_parameters()]
    groups = [{"params": [p], "lr": r} for p, r in zip(model.parameters(), rates, strict=True)]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: _lr_multiplier(done / settings.iterations)
    )
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    checkpoint = settings.output / "checkpoint.pth"
    start = 0
    if checkpoint.exists():
        start = _restore(checkpoint, parts)
        print(f"continuing after {start} of {settings.iterations} iterations", flush=True)
    rewind_metrics(settings.metrics, start)

    began = time.perf_counter()
    for iteration in range(start, settings.iterations):
        losses = _step(model.train(), optimizer, *data.batch(iteration, BATCH, SEED), iteration)
        scheduler.step()
        done = iteration + 1
        last = done == settings.iterations
        if done % LOG_PERIOD == 0 or last:
            losses["lr"] = float(scheduler.get_last_lr()[0])
            pace = (time.perf_counter() - began) / (done - start)
            _report(done, settings, losses, pace)
        if last or done % EVAL_PERIOD == 0:
            losses |= _evaluate(model, val, settings)
        if done % LOG_PERIOD == 0 or last or "bbox/AP" in losses:
            append_rows(settings.metrics, [{"iteration": iteration, **losses}])
        if last or done % CHECKPOINT_PERIOD == 0 or stop.received:
            state = {name: part.state_dict() for name, part in parts.items()}
            write_data({**state, "iteration": done}, checkpoint)
        if stop.received:
            raise _stopped(stop.received)
    if not settings.results.exists():  # all trained, but stopped before the evaluation was done
        _evaluate(model, val, settings)
    write_data(model.state_dict(), settings.weights)


def _lr_multiplier(where: float) -> float:
    """Of the training's course, 0 to 1: that of configs/common/quick_schedule.py, held as there."""
    if where < WARM_UP:
        return 0.05 + 0.95 * where / WARM_UP
    down = max(0.0, where - HOLD) / (1 - HOLD)
    return 0.001 + 0.999 * (1 + math.cos(math.pi * down)) / 2


def _stopped(signum: int) -> KeyboardInterrupt:
    error = KeyboardInterrupt()
    error.signum = signum  # type: ignore[attr-defined]  # for the exit status
    return error


def _step(
    model: ATSS,
    optimizer: torch.optim.Optimizer,
    images: list[Tensor],
    targets: list[dict[str, Tensor]],
    iteration: int,
) -> dict[str, float]:
    losses = model(images, targets)
    total = sum(losses.values())
    values = {
        "total_loss": total.item(),
        "loss_cls": losses["classification"].item(),
        "loss_box_reg": losses["bbox_regression"].item(),
        "loss_centerness": losses["bbox_ctrness"].item(),
    }
    if not math.isfinite(values["total_loss"]):
        text = ", ".join(f"{name} = {value:.4g}" for name, value in values.items())
        raise FloatingPointError(
            f"training stopped: a loss is not finite at iteration {iteration}: {text}; "
            "the last checkpoint is kept"
        )
    optimizer.zero_grad()
    total.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=10)
    optimizer.step()
    return values


def _restore(checkpoint: Path, parts: dict[str, Any]) -> int:
    """Load a checkpoint into the parts of the training; return the iterations done."""
    state = read_data(checkpoint)
    try:
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return int(state["iteration"])
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"{checkpoint} is no checkpoint of this training: {type(error).__name__}: "
            f"{str(error).splitlines()[0]}. Move it away to begin anew"
        ) from error


def _report(done: int, settings: Settings, losses: dict[str, float], pace: float) -> None:
    left = timedelta(seconds=round(pace * (settings.iterations - done)))
    print(
        f"iteration {done}/{settings.iterations}  eta {left}  "
        f"total_loss {losses['total_loss']:.3f}  loss_cls {losses['loss_cls']:.3f}  "
        f"loss_box_reg {losses['loss_box_reg']:.3f}  "
        f"loss_centerness {losses['loss_centerness']:.3f}  "
        f"lr {losses['lr']:.2g}  {pace:.3f} s each",
        flush=True,
    )


@torch.no_grad()
def _evaluate(model: ATSS, val: CocoImages, settings: Settings) -> dict[str, float]:
    model.eval()
    results = []
    for start in range(0, len(val.ids), BATCH):
        images = [image.float() / 255 for image in val.images[start : start + BATCH]]
        for image_id, found in zip(val.ids[start : start + BATCH], model(images), strict=True):
            found["boxes"][:, 2:] -= found["boxes"][:, :2]
            results += [
                {
                    "image_id": image_id,
                    "category_id": val.category_ids[label],
                    "bbox": box,
                    "score": score,
                }
                for box, label, score in zip(
                    found["boxes"].tolist(),
                    found["labels"].tolist(),
                    found["scores"].tolist(),
                    strict=True,
                )
            ]
    with atomic_write(settings.results) as partial:
        partial.write_text(json.dumps(results))
    metrics = coco_metrics(settings.val_json, results)
    print(f"on unseen images: AP {metrics['AP']:.1f}  AP50 {metrics['AP50']:.1f}", flush=True)
    return {"bbox/AP": metrics["AP"], "bbox/AP50": metrics["AP50"]}


def export(settings: Settings) -> Agreement:
    """Export the trained detector to ONNX, checked on the image with the most detections."""
    val = CocoImages(settings.val_json, settings.val_images)
    model = build_small_atss(settings.variant, num_classes=len(val.category_ids), channels=CHANNELS)
    model.load_state_dict(read_data(settings.weights))
    model.eval()
    busiest = busiest_image(settings.load_results())
    image = val.images[val.ids.index(busiest) if busiest is not None else 0]
    return export_onnx(
        ExportableDetector(model),
        settings.onnx,
        image=image,
        reference=lambda x: detect(model, x),
        metadata={
            "class_names": join_names(val.class_names),
            "input_format": "RGB",
            "score_threshold": str(model.score_thresh),
        },
    )
