"""What the cases of dense detectors share: ground truth, predictions by level, anchors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sepc.methods.anchors import grid_anchors, legacy_cell_anchors
from sepc.methods.targets import anchor_targets

from ..case import BAR, Case


def num_images(case: Case) -> int:
    return sum(name.startswith("gt_boxes") for name in case.arrays)


def ground_truth(case: Case, *, first_class: int) -> tuple[list[Tensor], list[Tensor]]:
    """Boxes as stored, and classes from 0 up where the reference counts from ``first_class``."""
    images = range(num_images(case))
    boxes = [case.arrays[f"gt_boxes{i}"] for i in images]
    return boxes, [case.arrays[f"gt_labels{i}"].long() - first_class for i in images]


def predictions(case: Case, *names: str) -> dict[str, list[Tensor]]:
    """The predicted maps of each level under their names: "cls", "box", "ctr"."""
    return {
        name: [case.draws[f"{name}{level}"] for level in range(case.num_levels)] for name in names
    }


def flatten(maps: list[Tensor], width: int) -> Tensor:
    """L tensors (N, A * width, Hl, Wl) -> (N, R, width)."""
    flat = [x.unflatten(1, (-1, width)).permute(0, 3, 4, 1, 2).flatten(1, 3) for x in maps]
    return torch.cat(flat, dim=1)


def level_sizes(case: Case) -> list[tuple[int, int]]:
    return [(int(h), int(w)) for h, w in case.spec["level_sizes"]]


def grids(case: Case, cell_anchors: list[Tensor]) -> list[Tensor]:
    """Anchors of each level from those of its first cell."""
    strides = case.spec["strides"]
    return [
        grid_anchors(*level) for level in zip(cell_anchors, level_sizes(case), strides, strict=True)
    ]


def legacy_grids(case: Case, config: dict) -> list[Tensor]:
    scales = [
        config["octave_base_scale"] * 2 ** (i / config["scales_per_octave"])
        for i in range(config["scales_per_octave"])
    ]
    cells = [legacy_cell_anchors(s, scales, config["ratios"]) for s in case.spec["strides"]]
    return grids(case, cells)


def inside_padded_image(case: Case, anchors_per_cell: int = 1) -> Tensor:
    """(N, R): the reference leaves out cells beyond an image's own padded size."""
    valid = []
    for pad_height, pad_width in case.spec["pad_shapes"]:
        of_image = []
        for (height, width), stride in zip(level_sizes(case), case.spec["strides"], strict=True):
            rows = torch.arange(height) < -(-pad_height // stride)
            columns = torch.arange(width) < -(-pad_width // stride)
            of_image.append((rows[:, None] & columns).flatten().repeat_interleave(anchors_per_cell))
        valid.append(torch.cat(of_image))
    return torch.stack(valid)


def batch_targets(
    assignments: list[Tensor], boxes: list[Tensor], classes: list[Tensor], num_classes: int
) -> tuple[Tensor, Tensor]:
    """Labels (N, R) and matched boxes (N, R, 4)."""
    pairs = [
        anchor_targets(a, b, c, num_classes=num_classes)
        for a, b, c in zip(assignments, boxes, classes, strict=True)
    ]
    return torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])


def stored(case: Case, name: str, dim: int = 1) -> Tensor:
    """An array that is stored by level, all levels together."""
    return torch.cat([case.arrays[f"{name}{level}"] for level in range(case.num_levels)], dim=dim)


def check_equal(case: Case, name: str, actual: Tensor, expected: Tensor) -> None:
    """Assignments and the like agree exactly."""
    torch.testing.assert_close(
        actual.to(expected.dtype),
        expected,
        rtol=0,
        atol=0,
        msg=lambda message: f"{case.name}, {name}: {message}",
    )


def check_pixels(case: Case, name: str, actual: Tensor, rounding: float | None = None) -> None:
    """Boxes agree to ten times the stated rounding in pixels, and four units in the last place.

    The latter for boxes of thousands of pixels, which float32 does not hold to the former.
    """
    torch.testing.assert_close(
        actual.detach(),
        case.arrays[name],
        rtol=4 * torch.finfo(torch.float32).eps,
        atol=BAR * (case.rounding() if rounding is None else rounding),
        msg=lambda message: f"{case.name}, {name}: {message}",
    )


def check_losses(
    case: Case,
    maps: dict[str, list[Tensor]],
    losses: Callable[[dict[str, list[Tensor]]], dict[str, Tensor]],
) -> None:
    """Losses agree in float32, and the gradients of the sum of them all in float64.

    Which side of a kink (of smooth L1, of a maximum) a value lies on depends in float32 on the
    processor, and with it a gradient as a whole. Anchors, boxes and the targets made of them stay
    in float32, as they are in the reference: its stated rounding is that of the losses alone.

    Args:
        maps: see :func:`predictions`.
        losses: from these maps to the losses under the names that they are stored by.
    """
    for name, loss in losses(maps).items():
        case.check(name, loss.reshape(case.arrays[name].shape), "losses")
    maps = {name: [x.double().requires_grad_() for x in own] for name, own in maps.items()}
    sum(loss.sum() for loss in losses(maps).values()).backward()
    for name, own in maps.items():
        for level, x in enumerate(own):
            assert x.grad is not None
            case.check(f"grad_{name}{level}", x.grad, "grads")
