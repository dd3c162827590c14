"""ONNX files of torchvision's RetinaNet, run in ONNX Runtime."""

from functools import partial

import pytest
import torch
from torch import nn

from sepc.export import ExportError, export_onnx
from sepc.tv import ExportableDetector, detect

from ..tv.helpers import small, with_detections

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def image(size=(64, 64)):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (3, *size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("variant", ["pconv", "sepc"])
def test_whole_detector(variant, tmp_path):
    model = with_detections(small(variant))
    path = tmp_path / "new" / "detector.onnx"
    agreement = export_onnx(
        ExportableDetector(model),
        path,
        image=image(),
        reference=partial(detect, model),
        metadata={"class_names": "a,b,c"},
    )
    assert agreement.detections > 5
    assert [file.name for file in path.parent.iterdir()] == ["detector.onnx"]

    file = onnx.load(path)
    assert [(entry.domain, entry.version) for entry in file.opset_import] == [("", 20)]
    operators = {node.op_type for node in file.graph.node}
    assert "NonMaxSuppression" in operators
    assert ("DeformConv" in operators) == (variant == "sepc")
    assert {node.domain for node in file.graph.node} == {""}
    types = {x.name: x.type.tensor_type.elem_type for x in [*file.graph.input, *file.graph.output]}
    kinds = onnx.TensorProto
    assert types == {
        "image": kinds.UINT8,
        "boxes": kinds.FLOAT,
        "scores": kinds.FLOAT,
        "classes": kinds.INT64,
    }
    assert {entry.key: entry.value for entry in file.metadata_props}["class_names"] == "a,b,c"


class OneBox(nn.Module):
    """The smallest detector: the whole image, scored by its brightness."""

    def forward(self, x):
        score = x.float().mean().reshape(1) / 255
        return torch.tensor([[0.0, 0.0, 64.0, 64.0]]) * 1, score, torch.zeros(1, dtype=torch.int64)


class Undecided(nn.Module):
    """Takes a branch that depends on the pixels, which no exporter can follow."""

    def forward(self, x):
        return OneBox()(x if x.float().mean() > 100 else x + 1)


def test_file_that_finds_something_else_is_not_written(tmp_path):
    path = tmp_path / "detector.onnx"
    path.write_text("an older file")

    def other(x):
        boxes, scores, classes = OneBox()(x)
        return boxes + 0.1, scores, classes

    with pytest.raises(ExportError, match="no partner within"):
        export_onnx(OneBox().eval(), path, image=image(), reference=other)
    assert [file.name for file in tmp_path.iterdir()] == ["detector.onnx"]
    assert path.read_text() == "an older file"


def test_detector_that_cannot_be_exported_leaves_no_file(tmp_path):
    with pytest.raises(ExportError, match="can't export to ONNX"):
        export_onnx(
            Undecided().eval(), tmp_path / "detector.onnx", image=image(), reference=OneBox()
        )
    assert list(tmp_path.iterdir()) == []
