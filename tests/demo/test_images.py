"""Images through a detector, to pictures and to COCO's results."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sepc.demo import Detections, expand_inputs, run_on_images
from sepc.demo.detections import READABLE_SIDE, draw_found, name_of
from sepc.demo.images import CocoResults, names_of_pictures, to_pictures

from .files import Brightness, write_image


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.jpg", "sub/c.png"):
        write_image(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path / "in"


def run(paths, sink, detector=None, **options):
    problems = []
    options = {"threshold": 0.5, "batch_size": 4, "show_progress": False, **options}
    done = run_on_images(paths, detector or Brightness(), sink, report=problems.append, **options)
    return done, problems


def names(paths):
    return [path.name for path in paths]


def test_folders_globs_and_files(folder):
    problems = []
    assert names(expand_inputs([str(folder)], problems.append)) == ["a.jpg", "b.png"]
    assert names(expand_inputs([f"{folder}/*.png"], problems.append)) == ["b.png"]
    assert names(expand_inputs([f"{folder}/**/*.png"], problems.append)) == ["b.png", "c.png"]
    both = [str(folder / "b.png"), str(folder)]
    assert names(expand_inputs(both, problems.append)) == ["b.png", "a.jpg"]
    assert problems == []


def test_inputs_without_an_image(folder, tmp_path):
    problems = []
    (tmp_path / "empty").mkdir()
    assert expand_inputs([f"{folder}/*.gif", str(tmp_path / "empty"), "x"], problems.append) == []
    assert len(problems) == 3 and all("no image there" in problem for problem in problems)


def test_name_with_brackets_is_no_pattern(tmp_path):
    path = write_image(tmp_path / "a[1].png")
    assert expand_inputs([str(path)], pytest.fail) == [path]


def test_batches_of_the_same_size(tmp_path):
    sizes = [(32, 48)] * 5 + [(48, 32)] * 2 + [(32, 48)]
    paths = [write_image(tmp_path / f"{i}.png", size) for i, size in enumerate(sizes)]
    detector, seen = Brightness(), []
    done, _ = run(paths, lambda path, *_: seen.append(path) or True, detector)
    assert done == 8 and seen == paths
    assert detector.batches == [4, 1, 2, 1]


def test_unreadable_images_are_reported_and_left_out(folder, tmp_path):
    paths = [folder / "a.jpg", folder / "notes.txt", folder / "absent.png", folder / "b.png"]
    done, problems = run(paths, to_pictures(Brightness(), tmp_path / "out", paths))
    assert done == 2
    assert sorted(names((tmp_path / "out").iterdir())) == ["a.jpg", "b.png"]
    assert "notes.txt: expected an image" in problems[0]
    assert "absent.png does not exist" in problems[1]


def test_what_cannot_be_written_is_reported(folder, tmp_path):
    (tmp_path / "out").write_text("a file")
    paths = [folder / "a.jpg"]
    done, (problem,) = run(paths, to_pictures(Brightness(), tmp_path / "out", paths))
    assert done == 0 and "a.jpg" in problem


def test_an_image_is_never_replaced(folder):
    before = (folder / "a.jpg").read_bytes()
    paths = [folder / "a.jpg"]
    for output in (folder, folder / "a.jpg"):
        done, (problem,) = run(paths, to_pictures(Brightness(), output, paths))
        assert done == 0 and "take the place of its image" in problem
    assert (folder / "a.jpg").read_bytes() == before


def test_one_image_to_one_file(folder, tmp_path):
    paths = [folder / "a.jpg", folder / "b.png"]
    run(paths[:1], to_pictures(Brightness(), tmp_path / "one.png", paths[:1]))
    assert cv2.imread(str(tmp_path / "one.png")) is not None
    with pytest.raises(ValueError, match="expected a folder for 2 images, got a file"):
        to_pictures(Brightness(), tmp_path / "one.png", paths)


def test_images_of_the_same_name_keep_apart(tmp_path):
    paths = [write_image(tmp_path / side / "a.png") for side in ("left", "right")]
    run(paths, to_pictures(Brightness(), tmp_path / "out", paths))
    assert sorted(names((tmp_path / "out").iterdir())) == ["a-2.png", "a.png"]


def test_names_of_pictures():
    paths = [Path(p) for p in ("x/a.png", "x/b", "y/b.gif", "y/a-2.png", "y/a.png", "z/a.png")]
    names = ["a.png", "b.png", "b.gif.png", "a-2.png", "a-3.png", "a-4.png"]
    assert list(names_of_pictures(paths).values()) == names


def test_sink_ends_the_run(folder):
    done, _ = run([folder / "a.jpg", folder / "b.png"], lambda *_: False)
    assert done == 1


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        (["000000000139.png", "7.png"], [139, 7]),
        (["000000000139.png", "x.png"], [1, 2]),
        (["7.png", "007.png"], [1, 2]),
    ],
)
def test_coco_results(tmp_path, files, ids):
    paths = [write_image(tmp_path / name, value=120 + 100 * i) for i, name in enumerate(files)]
    results = CocoResults(paths, (11, 12))
    assert run(paths, results, threshold=0.1) == (2, [])
    results.write(tmp_path / "new" / "r.json")
    found = json.loads((tmp_path / "new" / "r.json").read_text())
    assert [r["image_id"] for r in found] == ids
    assert [r["file_name"] for r in found] == files
    assert [r["category_id"] for r in found] == [11, 12]
    assert found[0]["bbox"] == [0, 0, 48, 32]
    assert found[1]["score"] == pytest.approx(220 / 255)


def test_coco_results_without_known_categories(tmp_path):
    paths = [write_image(tmp_path / "a.png")]
    results = CocoResults(paths, None)
    run(paths, results)
    assert results.results[0]["category_id"] == 2
    run(paths, results, threshold=0.99)
    assert len(results.results) == 1


def test_threshold():
    found = Detections(np.zeros((3, 4)), np.array([0.2, 0.5, 0.9]), np.arange(3))
    assert found.above(0.5).classes.tolist() == [1, 2]
    assert len(found.above(1.0)) == 0


def test_drawing():
    image = np.full((32, 64, 3), 100, np.uint8)
    found = Detections(np.array([[8.0, 8, 40, 30]]), np.array([0.9]), np.array([0]))
    assert draw_found(image, found, ["ring"], enlarge=True).shape == (256, READABLE_SIDE, 3)
    small = draw_found(image, found, None, enlarge=False)
    assert small.shape == image.shape and (small != 100).any()
    assert (image == 100).all()
    assert name_of(1, ["ring"]) == "class 1"
