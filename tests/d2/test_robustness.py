import copy

import numpy as np
import pytest
import torch
from detectron2.config import LazyConfig, instantiate
from detectron2.data import DatasetCatalog
from detectron2.structures import Boxes, Instances
from torch import nn

from sepc.commands import robustness as tool
from sepc.d2.robustness import Corruption, corrupted, measure_robustness
from sepc.export.preprocess import read_image
from sepc.robustness import corrupt

from .helpers import tiny_config


class FindsWhatIsClean(nn.Module):
    """Finds all objects of an image that is as in its file, and nothing in another one."""

    def __init__(self, dataset):
        super().__init__()
        self.entries = {entry["file_name"]: entry for entry in DatasetCatalog.get(dataset)}

    def forward(self, inputs):
        return [{"instances": self.find(each)} for each in inputs]

    def find(self, given):
        pixels = given["image"].numpy().transpose(1, 2, 0)
        clean = (pixels == read_image(given["file_name"])[..., ::-1]).all()
        objects = self.entries[given["file_name"]]["annotations"] if clean else []
        corners = np.array([each["bbox"] for each in objects], np.float32).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        found = Instances((given["height"], given["width"]))
        found.pred_boxes = Boxes(torch.from_numpy(corners))
        found.scores = torch.ones(len(objects))
        found.pred_classes = torch.tensor([x["category_id"] for x in objects], dtype=torch.int64)
        return found


def test_every_image_is_corrupted_and_the_record_goes_on(tiny_data, tmp_path):
    cfg = tiny_config(tmp_path)
    weights = tmp_path / "weights"
    weights.write_bytes(b"some")
    said = []

    def measured(names):
        path, model = tmp_path / "r.json", FindsWhatIsClean("tiny_val")
        return measure_robustness(cfg, model, str(weights), path, names, [3], say=said.append)

    record = measured(["fog"])
    assert record.clean("AP") == pytest.approx(100)
    assert record.grid("AP") == {"fog": {3: 0.0}}
    record = measured(["fog", "contrast"])
    assert "2 of 3 evaluations were finished before" in said
    assert record.summary("AP") == pytest.approx((100, 0, 0))


@pytest.mark.parametrize("image_format", ["RGB", "BGR"])
def test_corruption_sees_colors_in_their_order(image_format):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    order = slice(None, None, 1 if image_format == "RGB" else -1)
    corruption = Corruption("brightness", 4, image_format)
    found = corruption.get_transform(image).apply_image(image)
    expected = corrupt(np.ascontiguousarray(image[..., order]), "brightness", 4, seed=0)
    assert (found == expected[..., order]).all()


def test_noise_is_the_same_in_every_run_and_differs_between_images():
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 3), np.uint8)
    noise = [
        Corruption("gaussian_noise", 1).get_transform(image).apply_image(image)
        for image in (images[0], images[0], images[1])
    ]
    assert (noise[0] == noise[1]).all()
    assert (noise[0].astype(int) - images[0] != noise[2].astype(int) - images[1]).any()


def test_the_given_config_stays_as_it_is(tmp_path):
    cfg = tiny_config(tmp_path)
    before = copy.deepcopy(cfg)
    assert len(corrupted(cfg, "fog", 1).dataloader.test.mapper.augmentations) == 1
    assert cfg == before


def test_alpha_needs_running_statistics(tiny_data, tmp_path):
    model = nn.GroupNorm(2, 4)
    with pytest.raises(ValueError, match="frozen BN and GN have no statistics"):
        measure_robustness(
            tiny_config(tmp_path), model, "", tmp_path / "r.json", ["fog"], [1], alpha=0.5
        )


def test_tool_with_alpha(tiny_data, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    cfg = tiny_config(tmp_path)
    torch.save({"model": instantiate(cfg.model).state_dict()}, tmp_path / "model.pth")
    LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
    command = ["--config-file", str(tmp_path / "config.yaml"), "--output", str(tmp_path / "out")]
    command += ["--corruptions", "contrast", "--severities", "5", "--alpha", "0.5", "--images", "4"]
    assert tool.main(command) == 2
    assert "expected train.init_checkpoint=FILE" in capsys.readouterr().err
    assert tool.main([*command, f"train.init_checkpoint={tmp_path / 'model.pth'}"]) == 0
    assert "[2/2] contrast 5: AP" in capsys.readouterr().out
    names = {"robustness.json", "robustness.md", "robustness.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names


def test_tool_with_an_exported_file(tiny_data, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("onnxruntime")
    from ..demo.test_onnx_detector import write_detector

    LazyConfig.save(tiny_config(tmp_path), str(tmp_path / "config.yaml"))
    file = write_detector(tmp_path / "d.onnx", [3, 64, 64], {"image_size": "64,64"})
    command = ["--config-file", str(tmp_path / "config.yaml"), "--exported", str(file)]
    command += ["--output", str(tmp_path / "out"), "--severities", "1", "--corruptions", "fog"]
    assert tool.main(command) == 0
    assert "[2/2] fog 1: AP" in capsys.readouterr().out
