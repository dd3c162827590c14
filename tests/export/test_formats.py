"""Every detector, trained a little, as a file of every format."""

import json

import pytest
import torch

pytest.importorskip("detectron2")
onnx = pytest.importorskip("onnx")
for package in ("onnxruntime", "onnxscript"):
    pytest.importorskip(package)

from sepc.d2.engine import evaluate  # noqa: E402
from sepc.d2.export import ExportedModel, evaluate_on, export_model  # noqa: E402
from sepc.d2.export.detector import detect  # noqa: E402
from sepc.d2.export.job import smallest_image  # noqa: E402
from sepc.export import ExportError, load_exported  # noqa: E402

from .helpers import cuts  # noqa: E402

DETECTORS = ["retinanet", "fcos", "atss", "free_anchor", "fsaf", "gfl", "fsaf_retinanet"]
# to follow sizes takes the exporter ten seconds and more: the others differ in the decoding only
ANY_SIZE = "retinanet"
ANY_NUMBER = "gfl"


def one_and_slow_ones(detectors, one="atss"):
    """The decoding of the others is exported as TorchScript in `make test`."""
    return [x if x == one else pytest.param(x, marks=pytest.mark.slow) for x in detectors]


def clear_ones(model, image):
    return int((detect(model, image)[1] > 0.4).sum())


def test_onnx_of_any_image_size(trained, mosaic, onnx_file):
    model = trained(ANY_SIZE)
    path, agreement = onnx_file(ANY_SIZE)
    assert [file.name for file in path.parent.iterdir()] == ["detector.onnx"]
    assert agreement.images == 3
    assert agreement.box_error <= 0.01
    assert agreement.score_error <= 1e-4
    assert sum(clear_ones(model, image) for image in cuts(mosaic)) >= 5
    file = onnx.load(path)
    assert {node.domain for node in file.graph.node} == {""}
    assert {"DeformConv", "NonMaxSuppression"} <= {node.op_type for node in file.graph.node}
    assert [(entry.domain, entry.version) for entry in file.opset_import] == [("", 20)]
    # smaller than what the exporter has seen, and than a cell of the coarsest level
    small = mosaic[:, 64:114, :40]
    with torch.no_grad():
        expected = detect(model, small)
    for value, other in zip(expected, load_exported(path).detect(small), strict=True):
        torch.testing.assert_close(other, value, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("detector", DETECTORS)
def test_torchscript_of_any_image_size(detector, trained, mosaic, tmp_path):
    path = tmp_path / "detector.ts"
    agreement = export_model(trained(detector), path, format="torchscript", images=cuts(mosaic))
    assert agreement.images == 3
    assert agreement.detections >= 5
    assert load_exported(path, trust=True).format == "torchscript"


@pytest.mark.parametrize("detector", one_and_slow_ones(DETECTORS))
def test_torch_export_of_one_image_size(detector, trained, mosaic, tmp_path):
    size = (64, 96)
    agreement = export_model(
        trained(detector),
        tmp_path / "detector.pt2",
        format="torch-export",
        images=[mosaic[:, :64, 40:136], mosaic[:, 64:128, :96]],
        image_size=size,
    )
    assert agreement.images == 2
    assert agreement.detections >= 4
    exported = load_exported(tmp_path / "detector.pt2", trust=True)
    assert exported.format == "torch-export"
    with pytest.raises(ValueError, match=r"expected uint8 pixels of shape \(3, 64, 96\), got"):
        exported.detect(mosaic)


def test_torch_export_of_any_image_size(trained, mosaic, tmp_path):
    model = trained("retinanet")
    smallest = smallest_image(model)
    assert smallest == 33
    images = [mosaic[:, :136, :170], mosaic[:, :, :131], mosaic[:, :129]]
    path = tmp_path / "detector.pt2"
    agreement = export_model(model, path, format="torch-export", images=images)
    assert agreement.images == 3
    exported = load_exported(path, trust=True)
    with pytest.raises(ValueError, match="expected images of at least 33 x 33 pixels, got 32"):
        exported.detect(mosaic[:, :32])


@pytest.mark.parametrize(
    "detector", one_and_slow_ones(sorted(set(DETECTORS) - {ANY_SIZE, ANY_NUMBER}))
)
def test_onnx_of_one_image_size(detector, trained, mosaic, tmp_path):
    agreement = export_model(
        trained(detector),
        tmp_path / "detector.onnx",
        format="onnx",
        images=[mosaic[:, :64, 40:136], mosaic[:, 64:128, :96]],
        image_size=(64, 96),
    )
    assert agreement.images == 2
    assert agreement.detections >= 4


def test_onnx_of_any_number_of_images(trained, mosaic, tmp_path):
    images = torch.stack([mosaic[:, :64, :96], mosaic[:, 64:128, :96]])
    path = tmp_path / "detector.onnx"
    agreement = export_model(
        trained(ANY_NUMBER),
        path,
        format="onnx",
        images=list(images),
        image_size=(64, 96),
        batch="dynamic",
    )
    assert agreement.images == 1 + 2
    outputs = load_exported(path)(images)
    assert list(outputs) == ["boxes", "scores", "classes", "images"]
    assert set(outputs["images"].tolist()) == {0, 1}


def test_torchscript_of_two_images(trained, mosaic, tmp_path):
    path = tmp_path / "detector.ts"
    agreement = export_model(
        trained("gfl"), path, format="torchscript", images=cuts(mosaic), batch=2
    )
    assert agreement.images == 2 * 3
    exported = load_exported(path, trust=True)
    found = exported.detect_batch(torch.stack([mosaic, mosaic.flip(-1)]))
    assert len(found) == 2
    for value, other in zip(found[0], exported.detect(mosaic), strict=True):
        torch.testing.assert_close(other, value)


def test_names_types_and_texts_of_a_file(onnx_file):
    path, _ = onnx_file("retinanet")
    graph = onnx.load(path).graph
    kinds = onnx.TensorProto
    values = {x.name: x.type.tensor_type for x in [*graph.input, *graph.output]}
    assert {name: x.elem_type for name, x in values.items()} == {
        "image": kinds.UINT8,
        "boxes": kinds.FLOAT,
        "scores": kinds.FLOAT,
        "classes": kinds.INT64,
    }
    shapes = {k: [d.dim_param or d.dim_value for d in x.shape.dim] for k, x in values.items()}
    assert shapes == {
        "image": [3, "height", "width"],
        "boxes": ["detections", 4],
        "scores": ["detections"],
        "classes": ["detections"],
    }
    exported = load_exported(path)
    assert exported.class_names == list("abcdefghijkl")
    expected = {
        "detector": "RetinaNet",
        "pixel_mean": "127.5,127.5,127.5",
        "pixel_std": "64,64,64",
        "score_threshold": "0.05",
        "shown_score": "0.3",
        "nms_threshold": "0.5",
        "max_detections": "100",
        "format_version": "1",
        "precision": "float32",
        "image_size": "dynamic",
    }
    assert expected.items() <= exported.metadata.items()
    # nothing of the machine that it was made on
    assert b"site-packages" not in path.read_bytes()
    assert __file__.partition("tests")[0].encode() not in path.read_bytes()


def test_norms_are_folded_and_the_model_is_left_alone(trained, onnx_file):
    model = trained("retinanet")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kind = type(model.backbone.bottom_up.stem.conv1.norm)
    path, _ = onnx_file("retinanet")
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert "BatchNormalization" not in operators
    torch.testing.assert_close(model.state_dict(), before)
    assert type(model.backbone.bottom_up.stem.conv1.norm) is kind


def test_average_precision_through_the_file_is_that_of_the_model(trained, config_of, onnx_file):
    cfg = config_of("retinanet")
    expected = evaluate(cfg, trained("retinanet"))["bbox"]
    exported = load_exported(onnx_file("retinanet")[0])
    assert expected["AP"] > 10
    for metrics in (
        evaluate(cfg, ExportedModel(exported)),
        evaluate_on(exported, "exported_train"),
    ):
        assert {k: metrics["bbox"][k] for k in ("AP", "AP50", "AP75")} == pytest.approx(
            {k: expected[k] for k in ("AP", "AP50", "AP75")}, abs=0.1
        )


def test_a_model_that_finds_something_else_leaves_no_file(trained, mosaic, tmp_path, monkeypatch):
    monkeypatch.setattr("sepc.d2.export.job.detect", lambda m, x: detect(m, x.flip(-1)))
    with pytest.raises(ExportError, match=r"in an image of 136 x 170 pixels: .* no partner"):
        export_model(
            trained("retinanet"), tmp_path / "x.ts", format="torchscript", images=cuts(mosaic)
        )
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"exported detector not found: .*none\.onnx"):
        load_exported(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("nothing")
    with pytest.raises(ValueError, match=r"text\.onnx can't be run in ONNX Runtime"):
        load_exported(tmp_path / "text.onnx")
    torch.save({"a": 1}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"expected an ONNX, TorchScript or torch\.export file"):
        load_exported(tmp_path / "model.pth")


def test_a_newer_file_is_refused(tmp_path):
    module = torch.jit.trace(torch.nn.Identity(), (torch.zeros(1),))
    files = {"sepc.json": json.dumps({"format_version": "2"})}
    torch.jit.save(module, str(tmp_path / "x.ts"), _extra_files=files)
    with pytest.raises(ValueError, match="format version 1 or older, got 2"):
        load_exported(tmp_path / "x.ts", trust=True)


class Hostile(torch.nn.Module):
    """Program that writes a file when it is run."""

    def __init__(self, marker):
        super().__init__()
        self.marker = str(marker)

    def forward(self, image: torch.Tensor):
        torch.save([image], self.marker)
        return image


def test_programs_are_refused_unless_trusted(tmp_path):
    """Nothing of the file is run, whatever its name is; an archive is known by its content."""
    marker = tmp_path / "marker"
    for name in ("x.ts", "x.onnx"):
        path = tmp_path / name
        module = torch.jit.script(Hostile(marker))
        torch.jit.save(module, str(path), _extra_files={"sepc.json": "{}"})
        with pytest.raises(ValueError, match=r"is a TorchScript file, which is a program.*--trust"):
            load_exported(path)
    assert not marker.exists()
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="expected the file to find boxes"):
        load_exported(path, trust=True).detect(image)
    assert marker.exists()  # it was a program


def test_damaged_programs(tmp_path):
    module = torch.jit.trace(torch.nn.Identity(), (torch.zeros(1),))
    torch.jit.save(module, str(tmp_path / "x.ts"), _extra_files={"sepc.json": "{}"})
    content = (tmp_path / "x.ts").read_bytes()
    directory = content.index(b"PK\1\2")
    (tmp_path / "x.ts").write_bytes(bytes(directory) + content[directory:])
    with pytest.raises(ValueError, match=r"x\.ts is no readable TorchScript file"):
        load_exported(tmp_path / "x.ts", trust=True)
