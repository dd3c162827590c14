"""Time a detector from pixels to boxes on this machine."""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from ..data.progress import progress
from ..program import exit_status


def exported_step(file: str, images: torch.Tensor) -> Callable[[], object]:
    """Make the step that detects in the images with an exported file."""
    from ..export import load_exported

    exported = load_exported(file)
    return lambda: exported.detect_batch(images)


def model_step(args: argparse.Namespace, images: torch.Tensor) -> Callable[[], object]:
    """Make the step that detects in the images with the model of a config, made fast."""
    from .. import optimize_for_inference
    from ..d2 import model_zoo
    from ..d2.engine import Checkpointer

    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: expected a CUDA device, got none")
    model = model_zoo.build(model_zoo.load(args.config_file, args.opts), device)
    if args.weights:
        Checkpointer(model).load(args.weights, checkpointables=[], strict=True)
    model = optimize_for_inference(model)
    height, width = images.shape[-2:]
    inputs = [{"image": image, "height": height, "width": width} for image in images]

    def step() -> None:
        with torch.no_grad():
            model(inputs)
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def seconds_of(step: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each round, after one that does not count."""
    seconds = []
    for number in progress(range(rounds + 1), total=rounds + 1, description="timing", unit="round"):
        started = time.perf_counter()
        step()
        if number:
            seconds.append(time.perf_counter() - started)
    return seconds


def run(args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (args.batch, 3, *args.size), dtype=torch.uint8)
    step = exported_step(args.exported, images) if args.exported else model_step(args, images)
    seconds = seconds_of(step, args.rounds)
    median, least, most = (1e3 * f(seconds) for f in (statistics.median, min, max))
    what = f"{args.batch} image(s) of {args.size[0]} x {args.size[1]}"
    spread = f"{least:.1f} to {most:.1f} ms in {args.rounds} rounds"
    rate = f"{1e3 * args.batch / median:.2f} images per second"
    print(f"{median:.1f} ms for {what} ({spread}, {torch.get_num_threads()} threads): {rate}")


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: run(args), ImportError)
