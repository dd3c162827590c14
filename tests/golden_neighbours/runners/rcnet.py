"""RCNet against its authors' code: maps, loss, gradients, and running statistics after a step.

In float64, as the reference ran on numbers that are stored in float32.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from sepc.checkpoint.names import RCNET
from sepc.checkpoint.renaming import rename
from sepc.layers.rcnet import RCNet

from ..case import Case

TOLERANCE = 3e-7  # of the largest value of the group: what float32 rounds the stored numbers to


def build(case: Case) -> tuple[RCNet, dict[str, str]]:
    """The module with the reference's weights, and the reference's name of each of them."""
    config, stored = case.config, case.inputs
    names = {k: k for k in stored if not k.startswith(("input", "cotangent"))}
    theirs = {k.removeprefix("pyramid."): v for k, v in rename(names, RCNET).items()}
    kind, _, groups = config["out_conv"].rpartition("deform_groups=")
    model = RCNet(
        config["in_channels"],
        config["channels"],
        num_levels=config["num_outs"],
        deform_groups=int(groups) if kind else 0,
        cross_scale=config["neck"] == "RevFP+CSN",
    )
    theirs = {name: theirs[name] for name in model.state_dict()}
    unused = names.keys() - theirs.values()
    assert all(name.startswith("CSN.") or ".conv_offset." in name for name in unused), unused
    model.load_state_dict({k: torch.from_numpy(stored[v]) for k, v in theirs.items()})
    return model.double().train(config["mode"] == "train"), theirs


def check(case: Case, group: str, found: dict[str, Tensor]) -> None:
    """Compare all arrays ``group/...`` of the case, none of them missing."""
    expected = {k: v for k, v in case.arrays.items() if k.startswith(f"{group}/")}
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    largest = max((np.abs(x).max() for x in expected.values()), default=0.0)
    for name, value in found.items():
        np.testing.assert_allclose(
            value.detach().numpy(), expected[name], rtol=0, atol=TOLERANCE * largest, err_msg=name
        )


def run(case: Case) -> None:
    model, theirs = build(case)
    inputs = [
        torch.from_numpy(case.inputs[f"input{i}"]).double().requires_grad_()
        for i in range(len(case.config["in_channels"]))
    ]
    outputs = {f"p{3 + i}": x for i, x in enumerate(model(inputs))}
    loss = torch.stack(
        [(x * torch.from_numpy(case.inputs[f"cotangent_{k}"])).sum() for k, x in outputs.items()]
    ).sum()
    loss.backward()

    check(case, "out", {f"out/{k}": x for k, x in outputs.items()})
    np.testing.assert_allclose(loss.item(), case.arrays["loss"], rtol=1e-9)
    check(case, "grad_input", {f"grad_input/{i}": x.grad for i, x in enumerate(inputs)})
    gradients = {theirs[k]: p.grad.flatten() for k, p in model.named_parameters()}
    every = re.search(r"every (\d+)", case.spec["strided"])  # of an array that is not stored whole
    step = int(every[1]) if every else 1
    strided = {x for x in gradients if f"grad_param_strided/{x}" in case.arrays}
    check(
        case,
        "grad_param_strided",
        {f"grad_param_strided/{x}": gradients[x][::step] for x in strided},
    )
    check(
        case,
        "grad_param",
        {
            f"grad_param/{x}": gradients[x].view(case.inputs[x].shape)
            for x in gradients.keys() - strided
        },
    )
    buffers = {f"buffer_after/{theirs[k]}": x for k, x in model.named_buffers()}
    if case.config["mode"] == "train":
        check(case, "buffer_after", buffers)


RUNNERS = {"rcnet": run}
