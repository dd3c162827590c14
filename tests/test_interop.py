"""docs/interop.md: its Python where the package is installed, its commands by their parsers."""

import json
import re
import shlex
from pathlib import Path

import pytest

from .test_readme import ROOT, TEXT, blocks

PAGE = TEXT[ROOT / "docs" / "interop.md"]


def python_that_imports(package):
    (source,) = (x for x in blocks(PAGE, "python") if re.search(rf"^import {package}\b", x, re.M))
    return compile(source, package, "exec")


def shell_commands(start):
    """Commands that begin so, as words, each without what stands before it."""
    text = "\n".join(blocks(PAGE, "bash")).replace("\\\n", " ")
    lines = [line[line.index(start) :] for line in text.splitlines() if start in line]
    return [shlex.split(line) for line in lines]


def test_examples_are_short():
    for language in ("python", "bash"):
        for block in blocks(PAGE, language):
            lines = [x for x in block.splitlines() if x and not x.startswith(("import", "from"))]
            assert len(lines) <= 5


def test_supervision(tmp_path, monkeypatch):
    np = pytest.importorskip("numpy")
    sv = pytest.importorskip("supervision")
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from .demo.files import write_image
    from .demo.test_onnx_detector import write_detector

    write_detector(tmp_path / "model.onnx", [3, 16, 24], {"class_names": "a,b"})
    write_image(tmp_path / "image.jpg", value=200)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(python_that_imports("supervision"), names)
    assert isinstance(names["found"], sv.Detections) and len(names["found"]) == 1
    assert names["found"].class_id.tolist() == [1]
    assert names["picture"].shape == names["image"].shape
    assert np.any(names["picture"] != names["image"])


def test_supervision_of_what_a_predictor_finds():
    sv = pytest.importorskip("supervision")
    structures = pytest.importorskip("detectron2.structures")
    torch = pytest.importorskip("torch")
    boxes, scores = torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([0.5])
    found = structures.Instances((8, 8), pred_boxes=structures.Boxes(boxes), scores=scores)
    found.pred_classes = torch.tensor([3])
    detections = sv.Detections.from_detectron2({"instances": found})
    assert detections.xyxy.tolist() == boxes.tolist() and detections.class_id.tolist() == [3]


def test_fiftyone(tmp_path, monkeypatch):
    pytest.importorskip("fiftyone")
    from quickstart.data import write_dataset

    write_dataset(tmp_path, train_images=1, val_images=2, image_size=64, progress=False)
    truth = json.loads((tmp_path / "annotations" / "instances_val2017.json").read_text())
    result = {**{k: truth["annotations"][0][k] for k in ("image_id", "category_id", "bbox")}}
    (tmp_path / "results.json").write_text(json.dumps([{**result, "score": 0.5}]))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(python_that_imports("fiftyone"), names)
    (found,) = [x for x in names["data"].values("found.detections") if x]
    assert found[0].confidence == 0.5


def test_wandb(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    pytest.importorskip("detectron2")
    (tmp_path / "train_net.py").write_text(
        "from detectron2.utils.events import EventStorage\n"
        "from sepc.d2.engine import TensorBoardWriter\n"
        "with EventStorage(3) as storage:\n"
        "    storage.put_scalar('loss_of_the_test', 1.5)\n"
        "    writer = TensorBoardWriter('events')\n"
        "    writer.write()\n"
        "    writer.close()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    names = {}
    exec(python_that_imports("wandb"), names)
    names["wandb"].finish()
    (run,) = Path("wandb").glob("offline-run-*/run-*.wandb")
    assert b"loss_of_the_test" in run.read_bytes()


def test_torchrun_takes_the_commands():
    run = pytest.importorskip("torch.distributed.run")
    engine = pytest.importorskip("detectron2.engine")
    from sepc.d2.engine import load_config

    found = shell_commands("torchrun ")
    assert [len(x) > 4 for x in found] == [True, True]
    for _, *words in found:
        launch = run.get_args_parser().parse_args(words)
        assert (ROOT / launch.training_script).is_file()
        args = engine.default_argument_parser().parse_args(launch.training_script_args)
        assert load_config(args.config_file, args.opts).model.head
        assert args.num_gpus == 1  # torchrun's own flag counts
