"""OpenVINO files find what the model does, and are read like the others."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from sepc.demo import OnnxDetector
from sepc.export import ExportError, export_detector, load_exported
from sepc.tv import ExportableDetector, detect

from ..tv.helpers import small, with_detections
from .helpers import noise, untrained_retinanet

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """For images of any size, with texts that XML has to quote."""
    pytest.importorskip("detectron2")
    from sepc.d2.export import export_model

    folder = tmp_path_factory.mktemp("openvino")
    model = untrained_retinanet(folder)
    path = folder / "new" / "detector.xml"
    sizes = (160, 136), (64, 96), (101, 75), (33, 203)
    texts = {"class_names": 'a,"<b>, & c",d'}
    agreement = export_model(model, path, format="openvino", images=noise(*sizes), metadata=texts)
    assert agreement.images == 4
    assert agreement.detections > 20
    return path, model


def found_by(model, image):
    from sepc.d2.export.detector import detect

    return detect(model, image)


def test_any_size(file):
    path, model = file
    assert sorted(x.name for x in path.parent.iterdir()) == ["detector.bin", "detector.xml"]
    exported = load_exported(path)
    assert exported.format == "openvino"
    assert exported.signature.image_size is None
    assert exported.class_names == ["a", "<b>, & c", "d"]
    (image,) = noise((90, 121))
    outputs = exported(image)
    assert [x.dtype for x in outputs.values()] == [torch.float32, torch.float32, torch.int64]
    torch.testing.assert_close(outputs["boxes"], found_by(model, image)[0], atol=0.01, rtol=0)


def test_demo(file):
    path, model = file
    (image,) = noise((64, 80))
    detector = OnnxDetector(path)
    assert detector.class_names == ["a", "<b>, & c", "d"]
    (found,) = detector([np.ascontiguousarray(image.permute(1, 2, 0).numpy()[..., ::-1])])
    boxes, scores, _ = found_by(model, image)
    assert len(found.scores) == len(scores) > 5
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)
    np.testing.assert_allclose(found.boxes, boxes, atol=0.01)


def test_one_size(tmp_path):
    model = with_detections(small("sepc"))
    path = tmp_path / "fixed.xml"
    agreement = export_detector(
        ExportableDetector(model),
        path,
        format="openvino",
        images=noise((72, 99), (72, 99)),
        reference=partial(detect, model),
    )
    assert agreement.detections > 10
    with pytest.raises(ValueError, match=r"expected uint8 pixels of shape \(3, 72, 99\)"):
        load_exported(path)(noise((64, 64))[0])


class Unknown(nn.Module):
    """Uses an operator that OpenVINO's reader does not know."""

    def forward(self, x):
        score = torch.special.airy_ai(x.float().mean().reshape(1))
        return torch.zeros(1, 4), score, torch.zeros(1, dtype=torch.int64)


def test_what_cannot_be_expressed_leaves_nothing(tmp_path):
    with pytest.raises(ExportError, match=r"can't export to OpenVINO: .*airy_ai"):
        export_detector(
            Unknown().eval(),
            tmp_path / "x.xml",
            format="openvino",
            images=noise((64, 64)),
            reference=Unknown(),
        )
    assert list(tmp_path.iterdir()) == []


def test_name_and_device_are_checked(file, tmp_path):
    with pytest.raises(ValueError, match=r"expected a name that ends with \.xml .*, got .*x\.onnx"):
        export_detector(
            Unknown(),
            tmp_path / "x.onnx",
            format="openvino",
            images=noise((64, 64)),
            reference=Unknown(),
        )
    with pytest.raises(ValueError, match=r"expected a device of \['cpu'.*, got 'npu'"):
        load_exported(file[0], device="npu")


@pytest.mark.parametrize("text", ["<?xml version='1.0'?><net", "<net name='x'></net>"])
def test_damaged_file(text, tmp_path):
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.xml (can't be run in OpenVINO: |was not written by)"):
        load_exported(path)
