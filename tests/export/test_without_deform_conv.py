"""ONNX files without DeformConv find the same: gather and matrix product in its place."""

from functools import partial

import pytest
import torch
from torch import nn
from torchvision.ops import deform_conv2d

from sepc.export import export_detector
from sepc.export.without_deform_conv import without_deform_conv
from sepc.tv import ExportableDetector, detect

from ..tv.helpers import small, with_detections
from .helpers import noise, untrained_retinanet

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


class Deforming(nn.Module):
    """A deformable convolution whose taps move by some three cells, also out of the map."""

    def __init__(self, groups, masked, stride, dilation):
        super().__init__()
        self.geometry = dict(stride=stride, padding=dilation, dilation=dilation)
        self.conv = nn.Conv2d(8, 6, 3)
        self.offset = nn.Conv2d(8, 18 * groups, 3, **self.geometry)
        self.mask = nn.Conv2d(8, 9 * groups, 3, **self.geometry) if masked else None

    def forward(self, x):
        mask = None if self.mask is None else self.mask(x).sigmoid()
        weight, bias = self.conv.weight, self.conv.bias
        return deform_conv2d(x, 6 * self.offset(x), weight, bias, mask=mask, **self.geometry)


@pytest.mark.parametrize(
    ("groups", "masked", "stride", "dilation"), [(1, False, 2, 1), (4, True, 1, 2)]
)
def test_operator(groups, masked, stride, dilation):
    torch.manual_seed(0)
    module = Deforming(groups, masked, stride, dilation).eval()
    axes = {axis: torch.export.Dim(name, min=4) for axis, name in ((2, "h"), (3, "w"))}
    program = torch.export.export(
        module,
        (torch.randn(2, 8, 13, 9),),
        dynamic_shapes=(axes,),
        prefer_deferred_runtime_asserts_over_guards=True,
    )
    plain = without_deform_conv(program)
    assert "deform_conv2d" in str(program.graph) and "deform_conv2d" not in str(plain.graph)
    for size in ((13, 9), (7, 20), (5, 5)):
        x = torch.randn(2, 8, *size)
        torch.testing.assert_close(plain.module()(x), module(x), atol=1e-4, rtol=1e-4)


def is_without(path):
    nodes = onnx.load(path).graph.node
    operators = {node.op_type for node in nodes}
    return {node.domain for node in nodes} == {""} and "DeformConv" not in operators


@pytest.mark.slow
@pytest.mark.parametrize("size", [(67, 101), (64, 64)])
def test_one_size(size, tmp_path):
    model = with_detections(small("sepc"))
    path = tmp_path / "detector.onnx"
    agreement = export_detector(
        ExportableDetector(model),
        path,
        format="onnx",
        images=noise(size),
        reference=partial(detect, model),
        deform_conv=False,
    )
    assert agreement.detections > 5
    assert is_without(path)


@pytest.mark.slow
def test_any_size(tmp_path):
    pytest.importorskip("detectron2")
    from sepc.d2.export import export_model

    path = tmp_path / "detector.onnx"
    sizes = (160, 136), (64, 96), (101, 75), (33, 203)
    model = untrained_retinanet(tmp_path / "model")
    agreement = export_model(model, path, format="onnx", images=noise(*sizes), deform_conv=False)
    assert agreement.images == 4
    assert agreement.detections > 20
    assert is_without(path)


def test_other_formats_have_no_such_form(tmp_path):
    with pytest.raises(ValueError, match="expected the format onnx, got torchscript"):
        export_detector(
            nn.Identity(),
            tmp_path / "x",
            format="torchscript",
            images=noise((64, 64)),
            reference=nn.Identity(),
            deform_conv=False,
        )
