"""The deformable convolution against UniverseNet's, DCNv1 and DCNv2, plain and deformed."""

from __future__ import annotations

from sepc import DeformConv2d
from sepc.layers.level_conv import convolve_levels

from ..case import Case

_NAMES = {f"conv_offset.{p}": f"offset.{p}" for p in ("weight", "bias")}


def build_conv(case: Case) -> DeformConv2d:
    config = case.config
    taps = 9
    offset_channels = case.draws["conv_offset.bias"].shape[0] // config["deform_groups"]
    conv = DeformConv2d(
        config["in_channels"],
        config["out_channels"],
        3,
        stride=config["stride"],
        padding=config["padding"],
        deform_groups=config["deform_groups"],
        modulated={2 * taps: False, 3 * taps: True}[offset_channels],
    )
    conv.load_state_dict({_NAMES.get(n, n): case.draws[n] for n, _ in case.spec["state_dict"]})
    return conv


def run(case: Case) -> None:
    conv, x = build_conv(case), case.draws["in"]
    case.check("level0", convolve_levels([x], conv)[0])
    case.check("conv_offset_out", conv.offset(x))
    case.check("level1", conv(x))

    # in float64: rounding may put a tap beyond a cell, where its slope is another
    conv, x = conv.double(), x.double().requires_grad_()
    (conv(x) * case.draws["w"]).sum().backward()
    case.check("grad_in", x.grad)
    for reference_name, _ in case.spec["state_dict"]:
        parameter = conv.get_parameter(_NAMES.get(reference_name, reference_name))
        case.check(f"grad.{reference_name}", parameter.grad)


RUNNERS = {"conv": run}
