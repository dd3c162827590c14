"""Tests of the page of a training: what is in it, and what it says where something is missing."""

import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser

import pytest

from sepc.calibration import ScoreCalibration
from sepc.report import Run, write_report
from sepc.report.confusions import confusion_sections
from sepc.report.facts import environment, training_seconds
from sepc.report.outcomes import read_outcomes
from sepc.report.pictures import objects_per_size
from sepc.visualize import read_metrics
from sepc.visualize.drawing import class_color

from ..tools import load_tool
from .run_folder import make_run

pytest.importorskip("matplotlib")

VOID = {"meta", "img", "path", "use", "br"}


class Page(HTMLParser):
    """Parser of a page; it fails on elements that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.words = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, text):
        if not self.open or self.open[-1] != "style":
            self.words.append(text)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path)


def page_of(folder, **files):
    return write_report(Run(folder, **files)).read_text(encoding="utf-8")


def test_everything_is_there(folder):
    page = Page(page_of(folder))
    for words in (
        "<run> & co",
        "COCO metrics",
        "Curves",
        "Classes",
        "Pictures",
        "Config",
        "Environment",
    ):
        assert words in page.text
    assert "AP 12.3" in page.text and "iterations 40" in page.text
    assert "time in training 0:00:30" in page.text
    assert "small (under 32 px), 1 object 12.3" in page.text
    assert "medium (32 to 96 px), 2 objects 56.7" in page.text
    assert "large (over 96 px), 0 objects no objects" in page.text
    assert "a<b 12.3" in page.text
    assert "2 of 3 objects are missed and 2 of 3 detections are wrong" in page.text
    assert "variant sepc_lite" in page.text and "base learning rate 0.001" in page.text
    assert "PyTorch 2.0 GPU" in page.text and "somebody" not in page.text
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(pictures) == 2 * (3 + 3)
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert sum(tag == "svg" and name == "role" for tag, name, _ in page.attributes) == 3 + 1


def test_it_needs_nothing_but_a_browser(folder):
    text = page_of(folder)
    assert not re.search(r"https?:|//|<script|<link|@import|url\((?!#)", without_pictures(text))
    sources = [v for _, name, v in Page(text).attributes if name in ("src", "href")]
    assert all(v.startswith(("data:", "#")) for v in sources)
    assert '<meta name="viewport"' in text and "prefers-color-scheme: dark" in text


def without_pictures(text):
    return re.sub(r"base64,[\w+/=]*", "", text)


def test_names_in_the_page_are_unique(folder):
    page = Page(page_of(folder))
    names = Counter(value for _, name, value in page.attributes if name == "id")
    assert names and set(names.values()) == {1}
    used = {v[1:] for _, name, v in page.attributes if name == "href"}
    assert used and used <= set(names)


def test_curves_take_the_colors_of_the_page(folder):
    text = page_of(folder)
    assert "currentColor" in text and "var(--c0)" in text
    assert "#010203" not in text


def test_classes_have_one_color_in_curves_matrix_and_legend(folder):
    text = without_pictures(page_of(folder))
    for index in (0, 1):
        color = class_color(index)
        assert text.count(f'style="background:{color}"') == 3  # row, column, above the pictures
    assert re.search(f"stroke: {class_color(0)}", text, re.IGNORECASE)  # "star" has no objects


def test_confusion_matrix_and_curves_in_the_page(folder):
    """Of objects of class 1, one is found, two were taken for class 2."""
    page = Page(page_of(folder))
    assert "Rows: what objects are. Columns: what they were detected as, at a score of 0.3" in (
        page.text
    )
    _, _, matrix = page.text.partition("Crowds, and what is detected in them, do not count.")
    matrix = matrix.partition("Over all")[0]
    assert matrix.split("missed", 1)[1].startswith(" a<b 1 2 · star · · · no object · ·")
    assert "33.7 a<b" in page.text and "No objects of star." in page.text


def test_of_many_classes_the_most_confused_are_shown(folder):
    outcomes = read_outcomes(Run(folder))
    many = [{"id": i, "name": f"name {i} & $x$ _"} for i in range(1, 60)]
    html = confusion_sections(outcomes._replace(content={**outcomes.content, "categories": many}))
    page = Page(html)
    assert "Shown are the 12 of 59 classes that are confused most." in page.text
    assert "the other 47" in page.text and page.text.count("name 2 & $x$ _") >= 2
    assert html.count("<tr>") == 1 + 12 + 2


def test_data_without_objects_still_make_a_page(folder, tmp_path):
    path = tmp_path / "shapes" / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "annotations": []}))
    (folder / "inference" / "coco_instances_results.json").write_text("[]")
    page = Page(page_of(folder))
    assert "No objects of a<b, star." in page.text and "0 of 0 objects are missed" in page.text


def test_quick_start_notes_all_metrics(folder):
    (folder / "finished.json").write_text('{"AP": 31.5, "AR, 1 detection": 20.25}')
    text = Page(page_of(folder)).text
    assert "AP 31.5" in text and "AR, 1 detection 20.2" in text


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.yaml", "variant sepc_lite"),
        ("log.txt", "when this report was written"),
        ("quickstart.json", "expected --annotations FILE and --images FOLDER"),
        ("inference", "has no inference/coco_instances_results.json"),
        ("../shapes/val2017/1.png", "1.png does not exist"),
    ],
)
def test_what_is_missing_is_named(folder, missing, words):
    path = folder / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = Page(page_of(folder))
    assert words in page.text
    assert "AP 12.3" in page.text


def test_training_that_was_not_evaluated(folder):
    (folder / "metrics.json").write_text('{"iteration": 9, "total_loss": 1.0}')
    text = Page(page_of(folder)).text
    assert "was not evaluated" in text and "none recorded" in text and "iterations 10" in text


def test_other_data(folder, tmp_path):
    data = tmp_path / "shapes"
    (folder / "quickstart.json").unlink()
    run = Run(
        folder,
        annotations=data / "annotations" / "instances_val2017.json",
        images=data / "val2017",
    )
    assert objects_per_size(run) == [1, 2, 0]
    assert "objects are missed" in write_report(run, tmp_path / "new" / "r.html").read_text()
    with pytest.raises(FileNotFoundError, match="absent does not exist"):
        Run(folder, images=tmp_path / "absent")


def test_time_in_training_counts_every_iteration(folder):
    assert training_seconds(read_metrics(folder / "metrics.json")) == 20 * 0.5 + 20 * 1.0
    assert training_seconds({"total_loss": ([1], [1.0])}) is None


def test_environment_of_the_last_start(folder):
    with (folder / "log.txt").open("a") as log:
        log.write((folder / "log.txt").read_text().replace("2.0 @", "3.0 @"))
    found, source = environment(Run(folder))
    assert found["PyTorch"] == "3.0" and "as logged" in source


tool = load_tool("report")


def test_tool(folder, tmp_path, capsys):
    assert tool.main([str(folder)]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
    assert tool.main([str(folder), "--output", str(tmp_path / "a.html")]) == 0
    assert (tmp_path / "a.html").stat().st_size > 10_000


def test_tool_calibrates_the_scores(folder, tmp_path, capsys):
    file, output = tmp_path / "c.json", tmp_path / "a.html"
    ScoreCalibration("identity", {}).save(file)
    assert tool.main([str(folder), "--calibration", str(file), "--output", str(output)]) == 0
    assert "above the score thresholds of the calibration" in output.read_text()
    file.write_text("{}")
    assert tool.main([str(folder), "--calibration", str(file)]) == 2
    assert "expected a file of tools/calibrate_scores.py" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["folder", "metrics", "content"])
def test_tool_tells_bad_input_in_one_line(folder, tmp_path, capsys, what):
    if what == "metrics":
        (folder / "metrics.json").unlink()
    if what == "content":
        (folder / "metrics.json").write_text("nothing")
    assert tool.main([str(tmp_path / "absent" if what == "folder" else folder)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not (folder / "report.html").exists()
