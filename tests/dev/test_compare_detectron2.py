"""The comparison of the redistribution of Detectron2 with a checkout of upstream."""

import sys

import pytest

from dev import compare_detectron2, redistribution

from .test_redistribution import make_archive

UPSTREAM = {
    "detectron2/__init__.py": "__version__ = '0.7.2'\n",
    "configs/a.yaml": "A: 1\n",
    "tools/__init__.py": "",
    "projects/PointRend/point_rend/head.py": "x = 1\n",
    "projects/PointRend/train_net.py": "is not packed\n",
    "tests/test_x.py": "is not packed\n",
}
PACKED = {"detectron2/projects/point_rend/head.py": "x = 1\n"}
BINARY = "detectron2/_C.cpython-310-x86_64-linux-gnu.so"


def compare(tmp_path, monkeypatch, capsys, *, upstream=UPSTREAM, packed=PACKED):
    """Exit status and printed lines of the tool on two small trees."""
    archive, digest = make_archive(tmp_path, **packed)
    monkeypatch.setattr(redistribution, "SHA256", digest)
    checkout = tmp_path / "checkout"
    for name, text in upstream.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(sys, "argv", ["compare_detectron2", str(archive), str(checkout)])
    status = compare_detectron2.main()
    return status, capsys.readouterr().out.splitlines()


def test_only_the_binary_differs(tmp_path, monkeypatch, capsys):
    status, lines = compare(tmp_path, monkeypatch, capsys)
    assert status == 1
    assert lines[0].endswith(", the pinned file")
    assert lines[1:-1] == [f"{BINARY}: only in the archive"]
    assert lines[-1] == "5 files in the archive, 1 that are not equal on both sides"


def test_what_differs_is_printed(tmp_path, monkeypatch, capsys):
    upstream = UPSTREAM | {"detectron2/__init__.py": "__version__ = '0.6'\n"}
    upstream |= {"configs/b.yaml": "B: 1\n", "detectron2/engine.py": ""}
    del upstream["projects/PointRend/point_rend/head.py"]
    status, lines = compare(tmp_path, monkeypatch, capsys, upstream=upstream)
    assert status == 1
    assert "detectron2/__init__.py: differs" in lines
    assert "-__version__ = '0.6'" in lines and "+__version__ = '0.7.2'" in lines
    assert "detectron2/projects/point_rend/head.py: only in the archive" in lines
    assert "detectron2/model_zoo/configs/b.yaml: only in the checkout" in lines
    assert "detectron2/engine.py: only in the checkout" in lines
    assert lines[-1] == "5 files in the archive, 5 that are not equal on both sides"


def test_line_ends_count(tmp_path, monkeypatch, capsys):
    upstream = UPSTREAM | {"configs/a.yaml": "A: 1"}
    _, lines = compare(tmp_path, monkeypatch, capsys, upstream=upstream)
    assert "detectron2/model_zoo/configs/a.yaml: differs" in lines
    assert "(in its line ends alone)" in lines


def test_equal_trees_end_well(tmp_path, monkeypatch, capsys):
    upstream = UPSTREAM | {BINARY: "binary"}
    status, lines = compare(tmp_path, monkeypatch, capsys, upstream=upstream)
    assert status == 0 and lines[-1].endswith(", 0 that are not equal on both sides")


@pytest.mark.parametrize(
    ("archive", "message"),
    [("none.whl", "expected a wheel, got"), ("real", "expected a checkout of Detectron2, got")],
)
def test_bad_input_is_named(archive, message, tmp_path, monkeypatch, capsys):
    real, _ = make_archive(tmp_path)
    path = real if archive == "real" else tmp_path / archive
    monkeypatch.setattr(sys, "argv", ["compare_detectron2", str(path), str(tmp_path)])
    assert compare_detectron2.main() == 2
    assert f"error: {message} " in capsys.readouterr().err
