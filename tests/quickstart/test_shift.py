import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from quickstart.data import SHIFTS, generate_scene, shift_image, write_dataset

WHERE = dict(seed=3, split="val", index=1)


def scene():
    return generate_scene(**WHERE, height=96, width=128).image


def detail(image):
    """Mean difference of neighboring pixels of the gray image, blurred against noise or not."""
    return np.abs(np.diff(image.astype(float).mean(2), axis=1)).mean()


def test_every_shift_does_what_it_is_called():
    image = scene()
    shifted = {name: shift_image(image, [name], **WHERE) for name in SHIFTS}
    for name, other in shifted.items():
        assert other.shape == image.shape and other.dtype == np.uint8
        assert not np.array_equal(other, image), name
    assert shifted["contrast"].std() < 0.7 * image.std()
    assert shifted["contrast"].mean() < image.mean()
    assert detail(shifted["blur"]) < 0.9 * detail(image)
    assert detail(shifted["noise"]) > 1.5 * detail(image)
    red, green, blue = (shifted["color"][..., c].mean() / image[..., c].mean() for c in range(3))
    assert red > green > blue


def test_all_together_and_each_with_its_own_random_numbers():
    image = scene()
    all_shifts = shift_image(image, list(SHIFTS), **WHERE)
    np.testing.assert_array_equal(shift_image(image, list(SHIFTS)[::-1], **WHERE), all_shifts)
    np.testing.assert_array_equal(shift_image(image, [], **WHERE), image)
    other = shift_image(image, list(SHIFTS), **{**WHERE, "index": 2})
    assert not np.array_equal(other, all_shifts)
    assert np.array_equal(image, scene()), "the image that was given has changed"


def test_same_scenes_in_another_look(tmp_path):
    settings = dict(train_images=2, val_images=1, image_size=64, progress=False)
    write_dataset(tmp_path / "plain", **settings)
    write_dataset(tmp_path / "shifted", shifts=["noise"], **settings)
    name = "annotations/instances_train2017.json"
    plain, shifted = (json.loads((tmp_path / f / name).read_text()) for f in ("plain", "shifted"))
    assert plain["annotations"] == shifted["annotations"]
    file = "train2017/000000000001.jpg"
    before, after = (cv2.imread(str(tmp_path / f / file)) for f in ("plain", "shifted"))
    assert np.abs(before.astype(int) - after).mean() > 3
    # either is not taken for the other
    with pytest.raises(ValueError, match=r"shifts \['noise'\] \(asked for: \[\]\)"):
        write_dataset(tmp_path / "shifted", **settings)
    with pytest.raises(ValueError, match=r"shifts \[\] \(asked for: \['blur'\]\)"):
        write_dataset(tmp_path / "plain", shifts=["blur"], **settings)
    assert not write_dataset(tmp_path / "shifted", shifts=["noise"], **settings)


def test_data_of_before_there_were_shifts_have_none(tmp_path):
    settings = dict(train_images=1, val_images=1, image_size=64, progress=False)
    write_dataset(tmp_path / "d", **settings)
    path = tmp_path / "d" / "generated.json"
    content = json.loads(path.read_text())
    del content["shifts"]
    path.write_text(json.dumps(content))
    assert not write_dataset(tmp_path / "d", **settings)
    with pytest.raises(ValueError, match="shifts"):
        write_dataset(tmp_path / "d", shifts=["blur"], **settings)


def test_unknown_shift(tmp_path):
    message = "expected shifts among contrast, color, blur, noise, got fog"
    with pytest.raises(ValueError, match=message):
        shift_image(scene(), ["fog"], **WHERE)
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path / "d", shifts=["blur", "fog"])


def test_command_line(tmp_path, capsys):
    path = Path(__file__).parents[2] / "tools" / "generate_data.py"
    spec = importlib.util.spec_from_file_location("generate_data", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    sizes = ["--train", "1", "--val", "1", "--size", "40"]
    assert tool.main([str(tmp_path / "all"), *sizes, "--shift"]) == 0
    assert tool.main([str(tmp_path / "one"), *sizes, "--shift", "blur"]) == 0
    assert tool.main([str(tmp_path / "bad"), *sizes, "--shift", "fog"]) == 2
    assert "got fog" in capsys.readouterr().err
    found = [json.loads((tmp_path / f / "generated.json").read_text()) for f in ("all", "one")]
    assert [x["shifts"] for x in found] == [list(SHIFTS), ["blur"]]
