"""Similarity of a detector's pyramids for images and for these at half their size."""

import itertools
import shutil
from pathlib import Path

import cv2
import pytest
import torch
import torch.nn.functional as F

from sepc.d2.predictor import Predictor
from studies.claims import measure_run
from studies.equivariance import similarity

SAVED = Path(__file__).parents[1] / "saved"


def test_measures_of_a_run(tmp_path):
    shutil.copy(SAVED / "narrow.yaml", tmp_path / "config.yaml")
    shutil.copy(SAVED / "narrow.pth", tmp_path / "model_final.pth")
    draw = torch.Generator().manual_seed(0)
    for number in range(3):
        image = torch.randint(256, (8, 8, 3), generator=draw, dtype=torch.uint8).numpy()
        image = cv2.resize(image, (128, 128), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), image)
    runs, offsets = measure_run(tmp_path, sorted(tmp_path.glob("*.jpg")))
    found, without = runs[tmp_path.name], runs[f"{tmp_path.name}, offsets at zero"]
    layers = ("stage 1", "classification", "localization")
    assert set(offsets) == {f"{tmp_path.name}, {layer}" for layer in layers}
    assert {min(each) for each in offsets.values()} == {1}
    assert found["before"] == without["before"]
    assert found["classification"] != without["classification"]
    assert [*found][:2] == ["before", "1"]
    assert [*found][-3:] == ["classification", "localization", "another image"]

    model = Predictor.from_config(
        str(tmp_path / "config.yaml"), weights=str(tmp_path / "model_final.pth"), device="cpu"
    ).model
    images = torch.stack(
        [
            torch.as_tensor(cv2.imread(str(tmp_path / f"{number}.jpg")).transpose(2, 0, 1)).float()
            for number in range(3)
        ]
    )
    images = images if model.input_format == "BGR" else images.flip(1)
    half = F.interpolate(images, size=(64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        whole, half = (
            model.backbone((x - model.pixel_mean) / model.pixel_std) for x in (images, half)
        )
    names = model.head_in_features
    pairs = [(half[fine], whole[coarse]) for fine, coarse in itertools.pairwise(names)]
    assert found["before"] == pytest.approx([similarity(*pair) for pair in pairs], abs=1e-3)
