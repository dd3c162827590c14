"""The trunks alone, from maps to maps, in the forms that :mod:`.runtimes` times."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import sepc
from sepc.export.precision import quantize_onnx, quantize_openvino
from sepc.layers import Towers

from .trunk import Step, make_features


@dataclass(frozen=True)
class Form:
    """A network in a runtime: a step to time, and how to tell its AP, if it has one."""

    name: str
    step: Step
    evaluate: Callable[[], float] | None = None


class FlatTrunk(nn.Module):
    """A trunk from L maps to all maps of its branches, as arguments and outputs of a file."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, *features: Tensor) -> tuple[Tensor, ...]:
        """L maps (N, C, Hl, Wl) -> 2 * L of them."""
        return tuple(x for branch in self.trunk(list(features)) for x in branch)


def make_trunk(variant: str, channels: int, stages: int) -> nn.Module:
    """The trunk of a variant, folded; its offsets are of about a cell, as of a trained one."""
    torch.manual_seed(0)
    if variant == "plain":
        return sepc.optimize_for_inference(Towers(in_channels=channels, norm=None))
    trunk = sepc.build_sepc(variant, channels, num_stages=stages)
    for name, parameter in trunk.named_parameters():
        if name.endswith("offset.bias"):
            nn.init.normal_(parameter, std=0.7)
    return sepc.optimize_for_inference(trunk)


def trunk_forms(variant: str, args: argparse.Namespace, folder: Path) -> list[Form]:
    """All forms of a trunk, whose outputs are checked against PyTorch's in float32."""
    setting = {"size": args.size, "batch": 1, "channels": args.channels, "stages": args.stages}
    features = make_features(setting, "cpu")
    model = FlatTrunk(make_trunk(variant, args.channels, args.stages)).eval()
    layout = [x.contiguous(memory_format=torch.channels_last) for x in features]
    with torch.no_grad():
        expected = model(*layout)
    forms: list[Form] = []
    if "eager" in args.only:
        forms += eager_forms(model, layout)
    if "compile" in args.only:
        forms += compiled_form(model, layout)
    inputs = {f"p{i}": x.numpy() for i, x in enumerate(features)}
    if {"onnxruntime", "openvino"} & set(args.only):
        plain = FlatTrunk(make_trunk(variant, args.channels, args.stages)).eval()
        plain = plain.to(memory_format=torch.contiguous_format)
        program = torch.export.export(plain, tuple(features), strict=False)
        if "onnxruntime" in args.only:
            forms += _onnx_forms(program, inputs, expected, folder / f"{variant}.onnx")
        if "openvino" in args.only:
            forms += _openvino_forms(program, inputs, expected)
    return forms


def eager_forms(model: nn.Module, inputs: Sequence[Tensor]) -> list[Form]:
    """PyTorch in float32 and, by autocast, in bfloat16."""

    @torch.no_grad()
    def full() -> object:
        return model(*inputs)

    @torch.no_grad()
    def low() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return model(*inputs)

    return [Form("eager float32", full), Form("eager bfloat16", low)]


def compiled_form(model: nn.Module, inputs: Sequence[Tensor]) -> list[Form]:
    """torch.compile in float32; nothing, with a line, where it does not work."""
    compiled = torch.compile(model)

    @torch.no_grad()
    def step() -> object:
        return compiled(*inputs)

    try:
        step()
    except Exception as error:  # without a compiler for C++, or what it makes of the network
        print(f"left out: torch.compile: {str(error).strip().partition(chr(10))[0]}")
        return []
    return [Form("torch.compile float32", step)]


def _onnx_forms(
    program: torch.export.ExportedProgram,
    inputs: dict[str, np.ndarray],
    expected: Sequence[Tensor],
    path: Path,
) -> list[Form]:
    import onnx
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own inner life
        exported = torch.onnx.export(
            program, dynamo=True, opset_version=20, input_names=list(inputs), verbose=False
        )
    assert exported is not None
    exported.save(os.fspath(path))
    model = onnx.load(os.fspath(path))
    nodes = [node.name for node in model.graph.node if node.op_type == "Conv"]
    reduced = path.with_suffix(".int8.onnx")
    onnx.save(quantize_onnx(model, [inputs], "int8-static", nodes), os.fspath(reduced))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    forms: list[Form] = []
    for name, file in (("ONNX Runtime float32", path), ("ONNX Runtime int8", reduced)):
        session = onnxruntime.InferenceSession(
            os.fspath(file), options, providers=["CPUExecutionProvider"]
        )

        def step(session: onnxruntime.InferenceSession = session) -> object:
            return session.run(None, inputs)

        if not forms:
            _check_equal(name, session.run(None, inputs), expected)
        forms.append(Form(name, step))
    return forms


def _openvino_forms(
    program: torch.export.ExportedProgram,
    inputs: dict[str, np.ndarray],
    expected: Sequence[Tensor],
) -> list[Form]:
    import openvino

    model = openvino.convert_model(program)
    model.reshape(dict(enumerate(list(x.shape) for x in inputs.values())))
    arrays = list(inputs.values())
    low = quantize_openvino(model.clone(), [arrays])
    threads = torch.get_num_threads()
    forms: list[Form] = []
    for name, own, hint in (
        ("OpenVINO float32", model, "f32"),
        ("OpenVINO bfloat16", model, "bf16"),
        ("OpenVINO int8", low, "f32"),
    ):
        settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
        compiled = openvino.Core().compile_model(own, "CPU", settings)

        def step(compiled: openvino.CompiledModel = compiled) -> object:
            return compiled(arrays)

        if not forms:
            _check_equal(name, list(compiled(arrays).values()), expected)
        forms.append(Form(name, step))
    return forms


def _check_equal(name: str, found: Sequence[np.ndarray], expected: Sequence[Tensor]) -> None:
    if len(found) != len(expected):
        raise ValueError(f"{name}: expected {len(expected)} maps, got {len(found)}")
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(x), y, rtol=1e-3, atol=1e-4)
