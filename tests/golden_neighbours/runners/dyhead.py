"""DyHead with the reference's weights: outputs and all gradients of the stored loss.

The loss runs in float64, as the reference did: in float32 the processor decides on which side of a
kink of bilinear sampling a tap lies.
"""

import re

import numpy as np
import torch

from sepc import convert_state_dict
from sepc.layers import DyHead

from ..case import Case

# What is left of a difference is the rounding of what is stored, float32.
TOLERANCE = 1e-6


def run(case: Case) -> None:
    head = head_of(case, "resized" if case.id.endswith("natural") else "misread").double()
    features, cotangents = (pyramid(case, name) for name in ("input", "cotangent"))
    features = [x.requires_grad_() for x in features]
    cls_features, box_features = head(features)
    loss = sum((y * w).sum() for y, w in zip(cls_features, cotangents, strict=True))
    loss.backward()

    assert all(a is b for a, b in zip(cls_features, box_features, strict=True))
    check("loss", loss, case.arrays["loss"])
    for level, (x, y) in enumerate(zip(features, cls_features, strict=True)):
        check(f"out/{level}", y, case.arrays[f"out/{level}"])
        check(f"grad_input/{level}", x.grad, case.arrays[f"grad_input/{level}"])
    check_parameter_gradients(case, head)


def head_of(case: Case, coarser: str) -> DyHead:
    config = case.config
    weights = {k: torch.from_numpy(v) for k, v in case.inputs.items() if k.startswith("dyhead_")}
    if case.id.endswith("zero_offset"):
        weights = {k: torch.zeros_like(v) if "offset" in k else v for k, v in weights.items()}
    head = DyHead(
        config["in_channels"],
        out_channels=config["out_channels"],
        num_blocks=config["num_blocks"],
        num_levels=config["levels"],
        num_groups=int(re.search(r"GN (\d+)", config["norm"])[1]),
        reduction=config["dyrelu_ratio"],
        coarser=coarser,
    )
    head.load_state_dict(convert_state_dict(weights))
    return head


def pyramid(case: Case, name: str) -> list[torch.Tensor]:
    return [
        torch.from_numpy(case.inputs[f"{name}{level}"]).double()
        for level in range(case.config["levels"])
    ]


def check_parameter_gradients(case: Case, head: DyHead) -> None:
    """Of each parameter: the whole, every k-th value, or the rows that are stored."""
    gradients = {name: p.grad for name, p in head.named_parameters()}
    stored = [name for name in case.arrays if name.startswith("grad_param")]
    assert len(stored) == len(gradients)
    for name in stored:
        kind, _, of = name.partition("/")
        of, _, rows = of.partition("[")
        (ours,) = convert_state_dict({of: None})
        gradient = gradients[ours]
        if rows:
            first, last = rows.rstrip("]").split(":")
            gradient = gradient[int(first) : int(last)]
        if kind == "grad_param_strided":
            gradient = gradient.flatten()[:: stride_of(case)]
        check(name, gradient, case.arrays[name])


def stride_of(case: Case) -> int:
    return int(re.search(r"every (\d+)th", case.spec["strided"])[1])


def check(name: str, actual: torch.Tensor, expected: np.ndarray) -> None:
    expected = torch.from_numpy(np.asarray(expected)).double()
    torch.testing.assert_close(
        actual.detach(),
        expected,
        rtol=0,
        atol=TOLERANCE * expected.abs().max().item(),
        msg=lambda message: f"{name}: {message}",
    )


RUNNERS = {"dyhead": run}
