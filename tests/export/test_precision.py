"""Exported files of smaller precision find nearly the same."""

import pytest
import torch

pytest.importorskip("detectron2")
onnx = pytest.importorskip("onnx")
for package in ("onnxruntime", "onnxscript"):
    pytest.importorskip(package)

from torchvision.ops import box_iou  # noqa: E402

from sepc.export import ExportError, load_exported  # noqa: E402
from sepc.export.precision import PRECISIONS, reduce_precision  # noqa: E402

from .helpers import cuts  # noqa: E402


@pytest.mark.parametrize("precision", PRECISIONS)
def test_clear_objects_are_found_as_before(precision, onnx_file, mosaic, tmp_path):
    source, _ = onnx_file("retinanet")
    path = tmp_path / "reduced.onnx"
    reduce_precision(source, path, precision, calibration=cuts(mosaic))
    assert [file.name for file in tmp_path.iterdir()] == ["reduced.onnx"]
    assert path.stat().st_size < (0.6 if precision == "float16" else 0.4) * source.stat().st_size

    exported = load_exported(path)
    assert exported.metadata["precision"] == precision
    assert exported.class_names == list("abcdefghijkl")
    # of 40 iterations on four images; which of its boxes int8 moves differs with the processor
    share = 1.0 if precision == "float16" else 0.75
    check_clear_objects(source, path, [mosaic, cuts(mosaic)[0]], share=share)


def check_clear_objects(source, path, images, *, share=1.0):
    """At least this share of what the source finds clearly is found by the other file as well."""
    exported, full = load_exported(path), load_exported(source)
    overlap_of_all, again = [], []
    for image in images:
        boxes, scores, classes = full.detect(image)
        found_boxes, found_scores, found_classes = exported.detect(image)
        kinds = found_boxes.dtype, found_scores.dtype, found_classes.dtype
        assert kinds == (torch.float32, torch.float32, torch.int64)
        clear = scores > 0.5
        overlaps = box_iou(boxes[clear], found_boxes)
        overlaps[classes[clear][:, None] != found_classes] = 0
        overlap, partner = overlaps.max(dim=1)
        moved = (found_scores[partner] - scores[clear]).abs()
        overlap_of_all.append(overlap)
        again += ((overlap > 0.75) & (moved < 0.15)).tolist()
    assert len(again) >= 12
    assert torch.cat(overlap_of_all).median() > 0.9
    assert sum(again) >= share * len(again), again


def test_nothing_but_backbone_and_head_is_in_float16(onnx_file, tmp_path):
    path = tmp_path / "reduced.onnx"
    source, _ = onnx_file("retinanet")
    outside = {x.name for x in onnx.load(source).graph.node if not in_network(x)}
    assert len(outside) > 100
    reduce_precision(source, path, "float16")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    graph = onnx.shape_inference.infer_shapes(model).graph
    half = {
        x.name for x in graph.value_info if x.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    } | {x.name for x in graph.initializer if x.data_type == onnx.TensorProto.FLOAT16}
    decoding = [node for node in graph.node if node.name in outside]
    assert {node.name for node in decoding} == outside
    assert half.isdisjoint(name for node in decoding for name in (*node.input, *node.output))
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert half.issuperset(name for node in convolutions for name in (*node.input, *node.output))


def in_network(node):
    scopes = " ".join(p.value for p in node.metadata_props)
    return "'model.backbone'" in scopes or "'model.head'" in scopes


def test_bad_arguments_leave_no_file(onnx_file, tmp_path):
    source, _ = onnx_file("retinanet")
    with pytest.raises(ValueError, match=r"expected a precision of .*, got 'int4'"):
        reduce_precision(source, tmp_path / "x.onnx", "int4")
    with pytest.raises(ValueError, match="expected images to calibrate int8-static on, got none"):
        reduce_precision(source, tmp_path / "x.onnx", "int8-static")
    reduce_precision(source, tmp_path / "a.onnx", "float16")
    with pytest.raises(ValueError, match="expected a file in float32, got one in float16"):
        reduce_precision(tmp_path / "a.onnx", tmp_path / "x.onnx", "float16")
    bare = onnx.load(source)
    for node in bare.graph.node:
        del node.metadata_props[:]
    onnx.save(bare, tmp_path / "b.onnx")
    with pytest.raises(ExportError, match="expected a file whose nodes name the module"):
        reduce_precision(tmp_path / "b.onnx", tmp_path / "x.onnx", "float16")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


def test_int8_of_openvino(trained, mosaic, tmp_path):
    for package in ("openvino", "nncf"):
        pytest.importorskip(package)
    from sepc.d2.export import export_model

    source, path = tmp_path / "model.xml", tmp_path / "int8" / "model.xml"
    export_model(trained("retinanet"), source, format="openvino", images=cuts(mosaic))
    with pytest.raises(ValueError, match=r"expected .*\['int8-static'\] .*, got 'float16'"):
        reduce_precision(source, path, "float16")
    reduce_precision(source, path, "int8-static", calibration=cuts(mosaic))
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.bin", "model.xml"]
    weights = path.with_suffix(".bin").stat().st_size
    assert weights < 0.4 * source.with_suffix(".bin").stat().st_size
    assert load_exported(path).metadata["precision"] == "int8-static"
    check_clear_objects(source, path, [mosaic, cuts(mosaic)[0]], share=0.75)
