import copy
import json

import pytest

from sepc.data import validate_coco

CONTENT = {
    "images": [
        {"id": 1, "file_name": "a.jpg", "height": 10, "width": 10},
        {"id": 2, "file_name": "more/b.jpg", "height": 10, "width": 10},
    ],
    "categories": [{"id": 3, "name": "thing"}],
    "annotations": [
        {
            "id": 7,
            "image_id": 2,
            "category_id": 3,
            "bbox": [1, 2.5, 3, 0],
            "area": 9,
            "iscrowd": 0,
        }
    ],
}


@pytest.fixture
def data(tmp_path):
    """Return (check, content): change the content, then call check."""
    content = copy.deepcopy(CONTENT)
    (tmp_path / "images/more").mkdir(parents=True)
    (tmp_path / "images/a.jpg").touch()
    (tmp_path / "images/more/b.jpg").touch()

    def check(**options: bool) -> None:
        (tmp_path / "x.json").write_text(json.dumps(content))
        validate_coco(tmp_path / "x.json", tmp_path / "images", **options)

    return check, content


def test_good_data_pass(data):
    check, content = data
    check()
    check(evaluation=True)
    content["annotations"].clear()
    check()


def test_missing_files(data, tmp_path):
    check, content = data
    with pytest.raises(FileNotFoundError, match=r"annotation file .*none\.json does not exist"):
        validate_coco(tmp_path / "none.json", tmp_path / "images")
    check()
    with pytest.raises(FileNotFoundError, match=r"image folder .*nowhere of .*x\.json does not"):
        validate_coco(tmp_path / "x.json", tmp_path / "nowhere")
    (tmp_path / "images/a.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images that .*x\.json lists .*: a\.jpg$"):
        check()
    for number in range(20):
        image = {"id": 100 + number, "file_name": f"no/{number:02d}.jpg", "height": 1, "width": 1}
        content["images"].append(image)
    with pytest.raises(
        FileNotFoundError, match=r"21 of 22 .*: a\.jpg, no/00\.jpg.*03\.jpg, \.\.\."
    ):
        check()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', r"x\.json is not valid JSON: "),
        ("\xff", r"x\.json is not valid JSON: "),
        ("[]", r"x\.json: expected a JSON object, got a list"),
        ("{}", r'expected a list "images", got the keys \(none\)'),
        ('{"images": {}, "categories": []}', 'expected a list "images", got the keys'),
        ('{"images": [], "categories": []}', 'expected a list "annotations"'),
        ('{"images": [], "categories": [], "annotations": []}', "at least one image and one"),
        ('{"images": [1], "categories": [1], "annotations": []}', "image 0 to be an object"),
    ],
)
def test_malformed_files(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        validate_coco(tmp_path / "x.json", tmp_path)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("annotations", {"image_id": 5}, "annotation 7 refers to image 5, which is not in"),
        ("annotations", {"image_id": [5]}, "annotation 7 "),
        ("annotations", {"category_id": 1}, "annotation 7 refers to category 1, which is not"),
        ("annotations", {"bbox": [0, 0, -1, 2]}, r"annotation 7 expected bbox .*\[0, 0, -1, 2\]"),
        ("annotations", {"bbox": [0, 0, float("nan"), 2]}, r"annotation 7 .*nan"),
        ("annotations", {"bbox": [0, float("inf"), 1, 2]}, r"annotation 7 .*inf"),
        ("annotations", {"bbox": [0, 1, 2]}, r"annotation 7 expected bbox"),
        ("annotations", {"bbox": None}, r"annotation 7 expected bbox"),
        ("annotations", {"bbox": ["0", 1, 2, 3]}, r"annotation 7 expected bbox"),
        ("annotations", {"id": "7"}, "expected integer ids, got annotation '7'"),
        ("images", {"id": 2}, "1 image ids are used more than once"),
    ],
)
def test_bad_values(data, section, change, message):
    check, content = data
    content[section][0].update(change)
    with pytest.raises(ValueError, match=rf"x\.json: .*{message}"):
        check()


@pytest.mark.parametrize(
    ("section", "key", "message"),
    [
        ("images", "file_name", "image 1 lacks file_name"),
        ("images", "id", "image number 0 lacks id"),
        ("categories", "name", "category 3 lacks name"),
        ("annotations", "bbox", "annotation 7 lacks bbox"),
    ],
)
def test_missing_keys(data, section, key, message):
    check, content = data
    del content[section][0][key]
    with pytest.raises(ValueError, match=message):
        check()


def test_scoring_needs_more_than_training(data):
    check, content = data
    del content["annotations"][0]["iscrowd"]
    check()
    with pytest.raises(ValueError, match="annotation 7 lacks iscrowd"):
        check(evaluation=True)


def test_a_list_of_test_images_can_be_run_on(data):
    check, content = data
    del content["annotations"]
    check(evaluation=True)
    with pytest.raises(ValueError, match='expected a list "annotations", got the keys categories'):
        check()
