"""The deformable convolution against UniverseNet's, DCNv1 and DCNv2, plain and deformed."""

from __future__ import annotations

from sepc import DeformConv2d
from sepc.layers.level_conv import convolve_levels

from ..case import Case


def run(case: Case) -> None:
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
    names = {f"conv_offset.{p}": f"offset.{p}" for p in ("weight", "bias")}
    conv.load_state_dict({names.get(n, n): case.draws[n] for n, _ in case.spec["state_dict"]})
    x = case.draws["in"].requires_grad_()

    case.check("level0", convolve_levels([x], conv)[0])
    case.check("conv_offset_out", conv.offset(x))
    y = conv(x)
    case.check("level1", y)
    (y * case.draws["w"]).sum().backward()
    case.check("grad_in", x.grad)
    for reference_name, _ in case.spec["state_dict"]:
        parameter = conv.get_parameter(names.get(reference_name, reference_name))
        case.check(f"grad.{reference_name}", parameter.grad)


RUNNERS = {"conv": run}
