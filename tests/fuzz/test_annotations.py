"""Annotation files in the check of data, and what passes it in the page of data."""

import json
import random

import pytest

from sepc.data.doctor import CocoSet, diagnose
from sepc.data.validate import validate_coco
from sepc.report.data_page import write_data_page

from .mutations import damaged_json, damaged_json_text
from .outcome import check
from .scene import ANNOTATIONS, write_images


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Diagnosis of a file with this content; the page of it is written as well."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_images(tmp_path / "images")
    path = tmp_path / "a.json"

    def diagnose_content(content: bytes):
        path.write_bytes(content)
        for evaluation in (False, True):
            data = CocoSet("data", path, tmp_path / "images", evaluation)
            found = diagnose([data], masks=True, num_classes=2)
            assert "\n" not in "".join(found[0].problems)
            write_data_page(found, tmp_path / "page.html")
            if found[0].problems:
                raise ValueError(found[0].problems)

    return diagnose_content


def test_damaged_annotations(read):
    read(json.dumps(ANNOTATIONS).encode())
    check(read, lambda rng: damaged_json_text(ANNOTATIONS, rng))


def test_what_passes_is_read_by_detectron2(tmp_path):
    """As training and evaluation read it, and as COCO's metrics score it."""
    pytest.importorskip("detectron2")
    from detectron2.data.datasets import load_coco_json

    from quickstart.evaluation import coco_metrics

    write_images(tmp_path / "images")
    path = tmp_path / "a.json"
    rng, passed = random.Random(1), 0
    for _ in range(150):
        path.write_text(json.dumps(damaged_json(ANNOTATIONS, rng)))
        try:
            content = validate_coco(path, tmp_path / "images", evaluation=True, masks=True)
        except (ValueError, OSError):
            continue
        passed += 1
        assert len(load_coco_json(str(path), str(tmp_path / "images"))) == len(content["images"])
        if "annotations" in content:
            coco_metrics(path, [])
    assert passed
