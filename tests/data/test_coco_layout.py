import pytest

from sepc.data.coco_layout import coco_files

COCO = ("annotations/instances_val2017.json", "val2017")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], COCO),
        (["annotations/instances_val.json", "val"], ("annotations/instances_val.json", "val")),
        (["annotations/val.json", "val2017"], ("annotations/val.json", "val2017")),
        (["annotations/val.json", "val", *COCO], COCO),  # COCO's own names come first
        (["annotations/train.json", "train"], COCO),
    ],
)
def test_names_with_and_without_the_year(tmp_path, names, expected):
    (tmp_path / "annotations").mkdir()
    for name in names:
        path = tmp_path / name
        path.touch() if path.suffix else path.mkdir()
    found = coco_files(tmp_path, "val")
    assert tuple(path.relative_to(tmp_path).as_posix() for path in found) == expected
