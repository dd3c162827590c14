"""Speed and memory of the SEPC trunk and of whole detectors, against the reference formulation.

    python -m benchmarks.trunk                          # inference, 1 image of 800 x 1088, CPU
    python -m benchmarks.trunk --mode train --batch 2 --size 512 512
    python -m benchmarks.trunk --sweep channels         # how the cost grows
    python -m benchmarks.trunk --device cuda --dtype float16 --batch 8 --size 800 1344

All contenders get the same weights and run in one process, one after the other in every round, so
that what else the machine does hits all alike. Ratios are formed within a round; their median and
their quartiles over the rounds are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import sepc

from .reference import ReferenceTrunk
from .report import format_table, plot, write_report

VARIANTS = ["pconv", "pconv_ibn", "sepc_lite", "sepc"]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SWEEPS: dict[str, list[dict[str, Any]]] = {
    "size": [{"size": (s, s)} for s in (256, 512, 768, 1024)],
    "batch": [{"batch": n} for n in (1, 2, 4, 8)],
    "channels": [{"channels": c} for c in (64, 128, 256)],
    "stages": [{"stages": s} for s in (1, 2, 4, 6)],
}
Step = Callable[[], object]


def main() -> int:
    if "--runtimes" in sys.argv:  # another table, with options of its own
        from .runtimes import main as time_runtimes

        return time_runtimes([x for x in sys.argv[1:] if x != "--runtimes"])
    args = parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("benchmark: no CUDA device is there; run with --device cpu", file=sys.stderr)
        return 1
    torch.set_num_threads(args.threads)
    settings = {name: getattr(args, name) for name in ("size", "batch", "channels", "stages")}
    rows = []
    for change in SWEEPS[args.sweep] if args.sweep else [{}]:
        rows += measure_setting(args, {**settings, **change})
    report = {"machine": describe_machine(args), "command": " ".join(sys.argv[1:]), "rows": rows}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    plot(report, args.out.with_suffix(".png"))
    write_report(args.out, report, format_table(report))
    print(f"and {args.out.with_suffix('.png')}")
    return 0


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runtimes", action="store_true", help="ours in every runtime: benchmarks.runtimes"
    )
    parser.add_argument("--mode", choices=["inference", "train"], default="inference")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32", help="of our trunk")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--size", nargs=2, type=int, default=(800, 1088), metavar=("H", "W"))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--stages", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--sweep", choices=list(SWEEPS), help="vary this, keep the rest")
    parser.add_argument("--out", type=Path, default=Path("output/benchmark/benchmark"))
    return parser.parse_args()


def measure_setting(args: argparse.Namespace, setting: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for every contender of every variant, at one setting."""
    features = make_features(setting, args.device)
    groups = {
        variant: make_contenders(variant, args, setting, features) for variant in args.variants
    }
    plain = make_plain_head(args, setting, features)
    if plain is not None:
        groups["plain head"] = plain
    contenders = {(group, name): step for group, c in groups.items() for name, step in c.items()}
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in contenders}
    for round_ in range(args.rounds + 1):  # the first one warms up
        for key, step in contenders.items():
            elapsed = measure(step, args.device)
            if round_ > 0:
                seconds[key].append(elapsed)
        print(f"\r{setting}: round {round_}/{args.rounds}", end="", flush=True)
    print()
    rows = []
    for (group, name), times in seconds.items():
        base = seconds.get((group, "reference"), seconds.get(("pconv_ibn", "reference"), times))
        ratios = [t / b for t, b in zip(times, base, strict=True)]
        rows.append(
            {
                **setting,
                "mode": args.mode,
                "variant": group,
                "contender": name,
                "ms": 1e3 * statistics.median(times),
                "ratio": statistics.median(ratios),
                "ratio_quartiles": quartiles(ratios),
                "memory_mb": memory_of(contenders[group, name], args) / 2**20,
            }
        )
    return rows


def make_features(setting: dict[str, Any], device: str) -> list[Tensor]:
    """The FPN's maps P3 to P7 of images of the given size."""
    generator = torch.Generator().manual_seed(0)
    h, w = (-(-side // 8) for side in setting["size"])
    features = []
    for _ in range(5):
        shape = (setting["batch"], setting["channels"], h, w)
        features.append(torch.randn(shape, generator=generator).to(device))
        h, w = (h + 1) // 2, (w + 1) // 2
    return features


def make_contenders(
    variant: str, args: argparse.Namespace, setting: dict[str, Any], features: list[Tensor]
) -> dict[str, Step]:
    """The reference and ours, with the same weights; they must agree before they are timed."""
    torch.manual_seed(0)
    trunk = sepc.build_sepc(variant, setting["channels"], num_stages=setting["stages"])
    for name, parameter in trunk.named_parameters():
        if name.endswith("offset.bias"):  # offsets of a trained model are of about a cell
            nn.init.normal_(parameter, std=0.7)
    reference = ReferenceTrunk(trunk)
    training = args.mode == "train"
    # as optimize_for_inference, or `train.channels_last`, has it
    layout = torch.channels_last
    ours = sepc.optimize_for_inference(trunk)
    if training:
        ours = trunk.to(memory_format=layout)
    models = {"reference": reference, "sepc": ours}
    for model in models.values():
        model.to(args.device).train(training)
    with torch.no_grad():
        torch.testing.assert_close(ours(features)[0], reference(features)[0], rtol=1e-3, atol=1e-4)
    steps = {name: make_step(model, features, training, None) for name, model in models.items()}
    if args.dtype != "float32":
        low = (torch.device(args.device).type, DTYPES[args.dtype])
        for name, model in models.items():
            steps[f"{name} {args.dtype}"] = make_step(model, features, training, low)
    return steps


def make_plain_head(
    args: argparse.Namespace, setting: dict[str, Any], features: list[Tensor]
) -> dict[str, Step] | None:
    """Detectron2's RetinaNet head of the same width: towers and predictors."""
    try:
        from detectron2.layers import ShapeSpec
        from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
    except ImportError:
        print("Detectron2 is not there: its plain head is left out")
        return None
    channels = setting["channels"]
    head = RetinaNetHead(
        input_shape=[ShapeSpec(channels=channels)] * 5,
        num_classes=80,
        num_anchors=9,
        conv_dims=[channels] * 4,
    )
    training = args.mode == "train"
    head.to(args.device).train(training)
    return {"with predictors": make_step(head, features, training, None)}


def make_step(
    model: nn.Module,
    features: list[Tensor],
    training: bool,
    autocast: tuple[str, torch.dtype] | None,
) -> Step:
    """A function of nothing: one forward pass, or forward and backward."""
    layout = torch.contiguous_format if isinstance(model, ReferenceTrunk) else torch.channels_last
    inputs = [x.clone(memory_format=layout).requires_grad_(training) for x in features]

    def forward() -> Tensor:
        context = torch.autocast(*autocast) if autocast else contextlib.nullcontext()
        with context:
            outputs = model(inputs)
        return sum(x.float().mean() for branch in outputs for x in branch)

    if not training:
        return torch.no_grad()(forward)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        forward().backward()

    step.forward = forward  # type: ignore[attr-defined]
    return step


def measure(step: Step, device: str) -> float:
    """Seconds of one call."""
    if device == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        step()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def memory_of(step: Step, args: argparse.Namespace) -> float:
    """Bytes: the peak on CUDA; on the CPU what is kept for the backward pass (0 in inference)."""
    if args.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
    if args.mode == "inference":
        return 0.0
    with _Allocations() as allocations:
        loss = step.forward()  # type: ignore[attr-defined]
    kept = allocations.alive()
    del loss
    return float(kept)


class _Allocations(TorchDispatchMode):
    """Watches every storage that operations make within the block."""

    def __init__(self) -> None:
        super().__init__()
        self.storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = {x.untyped_storage()._cdata for x in tree_leaves(args) if isinstance(x, Tensor)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in given:
                reference = StorageWeakRef(tensor.untyped_storage())
                self.storages[reference.cdata] = (reference, tensor.untyped_storage().nbytes())
        return result

    def alive(self) -> int:
        """Bytes of those storages that are still there."""
        return sum(size for reference, size in self.storages.values() if not reference.expired())


def quartiles(values: list[float]) -> list[float]:
    if len(values) < 2:
        return [values[0], values[0]]
    cuts = statistics.quantiles(values, n=4)
    return [cuts[0], cuts[2]]


def describe_machine(args: argparse.Namespace) -> dict[str, Any]:
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0].split(":")[1].strip() if models else name
    if args.device == "cuda":
        name = torch.cuda.get_device_name()
    return {
        "device": name,
        "threads": args.threads if args.device == "cpu" else None,
        "torch": torch.__version__,
        "mode": args.mode,
        "rounds": args.rounds,
    }


if __name__ == "__main__":
    sys.exit(main())
