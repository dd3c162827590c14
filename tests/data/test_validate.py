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
            "bbox": [1, 2.5, 3, 2],
            "area": 6,
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
    content["images"][0]["height"] = 10.0  # as some exports write it
    content["annotations"][0] |= {"ignore": 0, "segmentation": []}
    check()
    content["annotations"].clear()
    check(evaluation=True)


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
        (
            '{"images": [1], "categories": [1], "annotations": []}',
            "image number 0 is no object, got 1",
        ),
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
        ("annotations", {"bbox": [0, 0, float("nan"), 2]}, r"annotation 7 .*NaN"),
        ("annotations", {"bbox": [0, float("inf"), 1, 2]}, r"annotation 7 .*Infinity"),
        ("annotations", {"bbox": [0, 1, 2]}, r"annotation 7 expected bbox"),
        ("annotations", {"bbox": None}, r"annotation 7 expected bbox"),
        ("annotations", {"bbox": ["0", 1, 2, 3]}, r'annotation 7 expected bbox .*\["0", 1, 2, 3\]'),
        ("annotations", {"bbox": [True, 1, 2, 3]}, r"annotation 7 expected bbox"),
        ("annotations", {"bbox": [10**400, 1, 2, 3]}, r"annotation 7 expected bbox"),
        ("annotations", {"bbox": {"x": 1}}, r"annotation 7 expected bbox"),
        ("annotations", {"image_id": "2"}, 'annotation 7 expected image_id a whole .*got "2"'),
        ("annotations", {"category_id": 3.0}, "annotation 7 expected category_id .*got 3.0"),
        ("annotations", {"category_id": True}, "annotation 7 expected category_id .*got true"),
        ("annotations", {"iscrowd": "0"}, 'annotation 7 expected iscrowd 0 or 1, got "0"'),
        ("annotations", {"iscrowd": None}, "annotation 7 expected iscrowd 0 or 1, got null"),
        (
            "annotations",
            {"ignore": 1},
            'annotation 7 expected ignore 0; "iscrowd": 1 marks .*got 1',
        ),
        ("annotations", {"iscrowd": 1}, "an object to learn from, got 1 annotations, each a crowd"),
        ("annotations", {"bbox": [1, 1, 0, 5]}, "an object to learn from, got 1 annotations"),
        ("images", {"file_name": 1}, "image 1 expected file_name the name of a file, got 1"),
        ("images", {"file_name": ""}, 'image 1 expected file_name the name of a file, got ""'),
        ("images", {"file_name": "\ud800"}, "image 1 expected file_name the name of a file"),
        ("images", {"file_name": "a\0"}, "image 1 expected file_name the name of a file"),
        ("images", {"height": "10"}, 'image 1 expected height a whole number of .*got "10"'),
        ("images", {"width": 0}, "image 1 expected width a whole number of pixels, got 0"),
        ("images", {"width": 1.5}, "image 1 expected width a whole number of pixels, got 1.5"),
        ("categories", {"name": None}, "category 3 expected name a name, got null"),
        ("categories", {"id": "3"}, 'category "3" expected id a whole number, got "3"'),
        ("annotations", {"id": "7"}, 'annotation "7" expected id a whole number, got "7"'),
        ("images", {"id": 2}, "image 2 has an id that is used more than once"),
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 0}, "annotation 0 expected id a number from 1, as COCO's metrics misread"),
        ({"id": 2**53}, r"expected id a number from 1, as"),
        ({"area": None}, "annotation 7 expected area a number from 0 to 1e10, got null"),
        ({"area": "9"}, 'annotation 7 expected area .*, got "9"'),
        ({"area": -9}, "annotation 7 expected area .*, got -9"),
        ({"area": float("inf")}, "annotation 7 expected area .*, got Infinity"),
        ({"area": 2e10}, r"annotation 7 expected area .*, got 2"),
    ],
)
def test_what_scoring_misreads(data, change, message):
    check, content = data
    content["annotations"][0].update(change)
    check()
    with pytest.raises(ValueError, match=message):
        check(evaluation=True)


@pytest.mark.parametrize(
    "segmentation",
    [None, [], [[1, 1, 2, 2]], [[1, 1, 2, 2, 3]], [1, 1, 2, 2, 3, 3], {"size": 1}, 5],
)
def test_segmentation_matters_to_masks_alone(data, segmentation):
    check, content = data
    content["annotations"][0]["segmentation"] = segmentation
    check()
    with pytest.raises(ValueError, match="annotation 7 expected segmentation polygons of 3 or"):
        check(masks=True)
    for good in ([[1, 1, 2, 2, 3, 3.5]], {"counts": [4, 96], "size": [10, 10]}):
        content["annotations"][0]["segmentation"] = good
        check(masks=True)


def test_all_kinds_of_problems_are_told_at_once_and_like_ones_counted(data):
    check, content = data
    (annotation,) = content["annotations"]
    content["annotations"] += [annotation | {"id": "x"}, annotation | {"id": "y"}]
    content["annotations"][0]["category_id"] = 99
    content["images"][0]["width"] = None
    content["categories"].append({"id": 4, "name": "thing"})
    with pytest.raises(ValueError) as error:
        check()
    told = str(error.value).partition("x.json: ")[2].split("; ")
    assert told == [
        "image 1 expected width a whole number of pixels, got null",
        'category name "thing" is used more than once',
        'annotation "x" expected id a whole number, got "x" (and 1 more annotations)',
        "annotation 7 refers to category 99, which is not in the file",
    ]


def test_a_folder_is_no_image(data, tmp_path):
    check, _ = data
    (tmp_path / "images/a.jpg").unlink()
    (tmp_path / "images/a.jpg").mkdir()
    with pytest.raises(FileNotFoundError, match=r"1 of 2 images .*: a\.jpg$"):
        check()


def test_byte_order_mark(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(CONTENT), encoding="utf-8-sig")
    with pytest.raises(ValueError, match=r"x\.json is not valid JSON: .*byte order mark"):
        validate_coco(tmp_path / "x.json", tmp_path)


def test_a_list_of_test_images_can_be_run_on(data):
    check, content = data
    del content["annotations"]
    check(evaluation=True)
    with pytest.raises(ValueError, match='expected a list "annotations", got the keys categories'):
        check()
