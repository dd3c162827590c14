"""The trunk, in eval and in training mode, against the official and UniverseNet's neck.

Maps and running statistics are compared in float32. Gradients and the loss are in float64: in
float32 the processor and the number of threads decide which values lie on which side of a ReLU's
kink, and what is left of a sum whose terms cancel.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

import sepc

from ..case import BAR, KINKS, Case

# Gradients of biases in front of a BN are zero but for rounding, in the reference and here.
_DEAD_BIAS = re.compile(r"([Pp]convs\.\d+\.[Pp]conv\.1|[lc]conv)\.bias")


def build_trunk(case: Case) -> sepc.SEPC:
    config = {name.lower(): value for name, value in case.config.items()}
    weights = sepc.convert_state_dict(case.state_dict())
    trunk = sepc.build_sepc(
        "sepc",
        in_channels=weights["cls_branch.conv.same.weight"].shape[1],
        out_channels=weights["cls_branch.conv.same.weight"].shape[0],
        num_stages=config.get("pconv_num", config.get("stacked_convs")),
        norm="BN" if config["ibn"] else None,
        deform_stages=config["pconv_deform"],
        deform_branches=config["lcconv_deform"],
        head_padding={0: "valid", 1: "same"}[case.spec["head_conv_padding"]],
    )
    trunk.load_state_dict(weights, strict=True)
    return trunk


def inputs(case: Case) -> list[Tensor]:
    return [case.draws[f"in{level}"] for level in range(case.num_levels)]


def check_maps(case: Case, name: str, maps: Tensor, group: str | None) -> None:
    """Maps are stored as every 32nd channel and as the mean over H, W of all channels."""
    if name in case.arrays:
        case.check(name, maps[:, ::32], group)
    case.check(f"{name}_mean", maps.mean(dim=(2, 3)), group)


def run_eval(case: Case) -> None:
    trunk = build_trunk(case).eval()
    with torch.no_grad():
        cls_features, box_features = trunk(inputs(case))
    for level in range(case.num_levels):
        check_maps(case, f"cls{level}", cls_features[level], None)
        check_maps(case, f"loc{level}", box_features[level], None)


def run_train(case: Case) -> None:
    trunk = build_trunk(case).train()
    features = [x.clone().requires_grad_() for x in inputs(case)]
    cls_features, box_features = trunk(features)
    for level in range(case.num_levels):
        check_maps(case, f"cls{level}", cls_features[level], "outputs")
        check_maps(case, f"loc{level}", box_features[level], "outputs")
    check_running_statistics(case, trunk)
    small = "grad_inputs" in case.spec["float64_vs_float32"]
    if small:
        weighted_sum(case, cls_features, box_features).backward()
        for level, x in enumerate(features):
            case.check_l2(f"grad_in{level}", x.grad[:, ::32], KINKS)

    trunk = build_trunk(case).double().train()
    features = [x.double().requires_grad_() for x in inputs(case)]
    loss = weighted_sum(case, *trunk(features))
    case.check("loss", loss.reshape(1), "loss")
    loss.backward()
    for level, x in enumerate(features):
        if small:
            check_maps(case, f"grad_in{level}", x.grad, "grad_inputs")
        else:
            bar = BAR * case.rounding("grad_inputs_l2")
            case.check_l2(f"grad_in{level}_mean", x.grad.mean(dim=(2, 3)), bar)
    if small:
        check_parameter_gradients(case, trunk)


def weighted_sum(case: Case, cls_features: list[Tensor], box_features: list[Tensor]) -> Tensor:
    """The loss of a training case: a random weight for every value of both branches."""
    return sum(
        (maps[level] * case.draws[f"w_{name}{level}"]).sum()
        for level in range(case.num_levels)
        for name, maps in (("cls", cls_features), ("loc", box_features))
    )


def check_running_statistics(case: Case, trunk: sepc.SEPC) -> None:
    ours = trunk.state_dict()
    group = "running" if "running" in case.spec["float64_vs_float32"] else "outputs"
    stored = [name for name in case.arrays if name.startswith("after.")]
    assert stored, "a training case without running statistics"
    for name in stored:
        reference_name = name.removeprefix("after.")
        (our_name,) = sepc.convert_state_dict({reference_name: None})
        case.check(name, ours[our_name], group)


def check_parameter_gradients(case: Case, trunk: sepc.SEPC) -> None:
    gradients = {name: p.grad for name, p in trunk.named_parameters()}
    stored = [name for name in case.arrays if name.startswith("grad.")]
    assert stored, "a small training case without parameter gradients"
    for name in stored:
        reference_name = name.removeprefix("grad.")
        (our_name,) = sepc.convert_state_dict({reference_name: None})
        gradient = gradients[our_name]
        if _DEAD_BIAS.fullmatch(reference_name) and case.config["iBN"]:
            largest = max(g.abs().max().item() for g in gradients.values() if g is not None)
            assert gradient.abs().max() < 1e-4 * largest, f"{case.name}, {name} is not zero"
        elif gradient.dim() == 4:
            rows = 1 if "conv_offset" in name else 32
            case.check(name, gradient[::rows, ::32], "grad_params")
        else:
            case.check(name, gradient, "grad_params")


RUNNERS = {"neck_eval": run_eval, "neck_train": run_train}
