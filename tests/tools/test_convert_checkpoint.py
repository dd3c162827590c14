"""The tool as it is called; what is in the files is tested in tests/d2/test_released.py."""

import http.server
import io
import os
import re
import threading
from contextlib import redirect_stderr

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.config import instantiate

from sepc.d2.engine import Checkpointer
from sepc.jobs.convert import classes_of

from ..checkpoint.reference import layout_of, seeded
from ..d2.helpers import image_input
from ..d2.released import RELEASED, call_convert, convert_main, released_config

NAME = "retinanet_R_50_FPN_pconv_1x"
CONFIG = RELEASED / f"{NAME}.py"
COCO_1 = "traffic_light"


@pytest.fixture(scope="module")
def weights():
    return seeded(layout_of(CONFIG))


def coco_classes():
    return [x.replace(" ", "_") for x in classes_of(released_config(NAME))]


def run(folder, content, *flags, out="ours.pth", config=CONFIG, **others):
    assert call_convert(content, folder, config, *flags, out=out, **others) == 0
    return torch.load(folder / out, weights_only=True)


def fails(folder, content, message, *flags, config=CONFIG, **others):
    before = set(os.listdir(folder))
    with redirect_stderr(io.StringIO()) as told:
        assert call_convert(content, folder, config, *flags, **others) == 2
    assert re.match(f"error: .*{message}", told.getvalue()), told.getvalue()
    made = set(os.listdir(folder)) - before - {others.get("source", "theirs.pth")}
    assert made == set(), "an output file is left"


def test_whole_way_from_file_to_detections(tmp_path, weights, capsys):
    meta = {"config": "bbox_head=dict(type='SepcRetinaHead')", "CLASSES": coco_classes()}
    run(tmp_path, {"meta": meta, "state_dict": weights, "optimizer": {"state": {}}})
    out = capsys.readouterr().out
    assert "mapped 366 weights: backbone 318, FPN 16, trunk 28, predictors 4" in out
    assert "wrote " in out and "taken as" not in out
    model = instantiate(released_config(NAME).model)
    Checkpointer(model).load(str(tmp_path / "ours.pth"), strict=True)
    for name, value in (("cls_score", "retina_cls"), ("bbox_pred", "retina_reg")):
        expected = weights[f"bbox_head.{value}.weight"]
        torch.testing.assert_close(getattr(model.head, name).weight.detach(), expected)
    with torch.no_grad():
        assert "instances" in model.eval()([image_input(288, 300)])[0]


def test_file_that_does_not_say_what_it_is(tmp_path, weights, capsys):
    run(tmp_path, weights)
    out = capsys.readouterr().out
    assert "does not say what detector it is of: taken as RetinaNet" in out
    assert "order of the classes could not be checked" in out


def test_there_and_back(tmp_path, weights, capsys):
    run(tmp_path, weights)
    back = run(tmp_path, None, "--reverse", "--list", source="ours.pth", out="back.pth")
    assert list(back["state_dict"]) == list(weights)
    assert all(torch.equal(x, weights[name]) for name, x in back["state_dict"].items())
    assert "head.cls_score.bias -> bbox_head.retina_cls.bias\n" in capsys.readouterr().out


def test_way_back_of_weights_of_another_model(tmp_path, weights):
    fails(tmp_path, weights, "in the checkpoint only: .*; in the model only", "--reverse")


def test_half_precision_and_missing_counters(tmp_path, weights, capsys):
    old = {
        name: x.half() if x.is_floating_point() else x
        for name, x in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    new = run(tmp_path, old)["model"]
    assert {x.dtype for x in new.values()} == {torch.float32, torch.int64}
    assert new["backbone.bottom_up.stem.conv1.norm.num_batches_tracked"] == 0
    torch.testing.assert_close(
        new["head.cls_score.bias"], old["bbox_head.retina_cls.bias"].float(), rtol=0, atol=0
    )
    out = capsys.readouterr().out
    assert "set to zero, not in the checkpoint: backbone.bottom_up.stem.conv1.norm.num" in out
    assert "were in half precision" in out


def without(weights, *names):
    return {name: x for name, x in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: without(x, "neck.1.lconv.bias", "bbox_head.retina_reg.bias"),
            r"\(364 weights do\): in the model only: .*box_branch\.conv\.same\.bias",
        ),
        (lambda x: x | {"ema.bias": torch.ones(1)}, r"in the checkpoint only: ema\.bias"),
        (
            lambda x: x | {"neck.1.lconv.bias": torch.ones(7)},
            r"lconv\.bias -> head\.trunk\.\S+: \(7,\) in the checkpoint, \(256,\) in the model",
        ),
        (
            lambda x: x | {"bbox_head.retina_cls.bias": torch.ones(9 * 81)},
            r"retina_cls\.bias .* an output for the background: a softmax over 80 classes and one",
        ),
        (lambda x: x | {"neck.1.pconvs.0.pconv.1.bias": x["neck.1.cconv.bias"]}, "would become"),
    ],
    ids=["missing", "extra", "shape", "softmax", "twice"],
)
def test_weights_that_do_not_fit(tmp_path, weights, change, message):
    fails(tmp_path, change(weights), message)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("retinanet_R_50_FPN_sepc_1x", r"in the model only: .*from_coarser\.offset"),
        ("retinanet_R_50_FPN_pconv_ibn_1x", r"in the model only: .*norm\.shared"),
        ("fsaf_R_50_FPN_pconv_1x", r"retina_cls\.bias -> .*\(720,\) .*\(80,\)"),
        ("atss_R_50_FPN_sepc_noibn_1x", r"fpn_convs\.3\.\S+ -> .*p6\S+ \(256, 2048, .* \(256, 256"),
    ],
)
def test_config_of_another_detector(tmp_path, weights, config, message):
    fails(tmp_path, weights, message, config=RELEASED / f"{config}.py")


def test_config_of_the_same_name_for_training(tmp_path, weights):
    """It is for the same names and shapes, and means other boxes by them."""
    names = ("model.backbone.top_block: ", "model.anchor_generator: ", "model.box2box_transform: ")
    lacking = "".join(rf"{name}sepc\.d2\.mmdet1\.\w+, " for name in names)
    lacking += "model.inclusive_boxes=True, model.head.trunk.head_padding='valid'"
    told = f"the weights need {lacking}, which .* does not set: expected configs/released/{NAME}.py"
    fails(tmp_path, weights, told, config=RELEASED.parent / "COCO-Detection" / f"{NAME}.py")


@pytest.mark.parametrize(
    ("config", "lacking"),
    [
        ("atss_R_50_FPN_sepc_noibn_1x", r"model.backbone.top_block: \S+, which"),
        ("fsaf_R_50_FPN_1x", r"model.backbone.top_block: \S+, model.inclusive_boxes=True, which"),
        ("free_anchor_R_50_FPN_sepc_1x", ".*LegacyAnchorGenerator.*"),
    ],
)
def test_other_configs_of_the_same_name(tmp_path, config, lacking):
    theirs = seeded(layout_of(RELEASED / f"{config}.py"))
    version = "2.1.0" if config.startswith("atss") else "1.1.0"
    content = {"state_dict": theirs, "meta": {"mmdet_version": version}}
    config = RELEASED.parent / "COCO-Detection" / f"{config}.py"
    fails(tmp_path, content, f"the weights need {lacking}", config=config)


def test_what_only_the_file_says(tmp_path, weights):
    """Weights of the same layout."""
    content = {"state_dict": weights, "meta": {"config": "type='SepcFreeAnchorRetinaHead'"}}
    fails(tmp_path, content, r"the file is of FreeAnchor \(.*\), the config of RetinaNet")
    classes = coco_classes()
    assert COCO_1 in classes
    content["meta"] = {"CLASSES": classes[1:] + classes[:1]}
    fails(tmp_path, content, "in another order: 80 and 80, where 'bicycle' stands for 'person'")


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("malicious",)


def test_files_that_are_not_read(tmp_path, monkeypatch, weights):
    monkeypatch.chdir(tmp_path)
    fails(tmp_path, {"state_dict": {}, "meta": Malicious()}, r"asks for \w+\.mkdir")
    assert not (tmp_path / "malicious").exists()
    torch.save(weights, "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "theirs.pth").write_bytes(content[: len(content) // 2])
    fails(tmp_path, None, "theirs.pth is not a readable checkpoint")
    fails(tmp_path, None, r"checkpoint not found: .*none\.pth", source="none.pth")
    fails(tmp_path, weights, "expected a SHA|begins with 01234567", source="x-01234567.pth")
    run(tmp_path, weights, "--any-hash", source="x-01234567.pth")


def test_earlier_output_stays_after_an_error(tmp_path, weights):
    (tmp_path / "ours.pth").write_bytes(b"earlier")
    fails(tmp_path, without(weights, "neck.1.lconv.bias"), "does not fit the config")
    assert (tmp_path / "ours.pth").read_bytes() == b"earlier"


def test_output_that_would_not_be_read_back(tmp_path, weights):
    fails(tmp_path, weights, r"OUT: expected a name that ends in \.pth", out="ours.pkl")


def test_config_that_is_not_there(tmp_path, weights):
    fails(tmp_path, weights, "config file not found", config=RELEASED / "none.py")


@pytest.fixture
def address(tmp_path, monkeypatch):
    """Of a server of the files in ``tmp_path / "served"``."""
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(folder), **kwargs)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_addresses(tmp_path, weights, address, capsys):
    torch.save(weights, tmp_path / "served" / "theirs.pth")
    out = tmp_path / "ours.pth"
    arguments = [str(out), "--config-file", str(CONFIG)]
    assert convert_main([f"{address}/theirs.pth", *arguments]) == 0
    assert out.exists()
    out.unlink()
    for source, message in (
        (f"{address}/none.pth", "cannot download .*none.pth: HTTP Error 404"),
        ("https://drive.google.com/open?id=1", "download it with a browser"),
    ):
        assert convert_main([source, *arguments]) == 2
        assert re.search(f"error: .*{message}", capsys.readouterr().err)
    assert not out.exists()
