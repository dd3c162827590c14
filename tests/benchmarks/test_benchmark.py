"""The benchmarks run and report; how long anything takes is nobody's test."""

import importlib.util
import json
import sys

import pytest
import torch


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A benchmark's main() with a command line; returns its rows."""
    threads = torch.get_num_threads()

    def call(tool, *arguments):
        out = tmp_path / "report"
        command = [tool, *arguments, "--rounds", "1", "--threads", "1", "--out", str(out)]
        monkeypatch.setattr(sys, "argv", command)
        assert importlib.import_module(f"benchmarks.{tool}").main() == 0
        assert "| " in out.with_suffix(".md").read_text()
        return json.loads(out.with_suffix(".json").read_text())["rows"]

    yield call
    torch.set_num_threads(threads)


SMALL = ("--size", "64", "48", "--channels", "8", "--stages", "1")


@pytest.mark.parametrize("mode", ["inference", "train"])
def test_trunk(run, mode):
    pytest.importorskip("matplotlib")
    rows = run("trunk", *SMALL, "--mode", mode, "--dtype", "bfloat16")
    names = {(row["variant"], row["contender"]) for row in rows}
    for variant in ("pconv", "pconv_ibn", "sepc_lite", "sepc"):
        for contender in ("reference", "sepc", "reference bfloat16", "sepc bfloat16"):
            assert (variant, contender) in names
    reference = [row for row in rows if row["contender"] == "reference"]
    assert {row["ratio"] for row in reference} == {1.0}
    assert all((row["memory_mb"] > 0) == (mode == "train") for row in rows)


def test_sweep(run):
    pytest.importorskip("matplotlib")
    rows = run("trunk", *SMALL, "--variants", "pconv_ibn", "--sweep", "stages")
    assert sorted({row["stages"] for row in rows}) == [1, 2, 4, 6]


def test_whole_detectors(run):
    pytest.importorskip("detectron2")
    rcnet = "retinanet_R_50_rcnet_1x"
    rows = run("detectors", "--size", "64", "64", "--variants", "sepc_lite", "--configs", rcnet)
    heads = ["as Detectron2 has it", "plain head", "sepc_lite", rcnet]
    assert [row["head"] for row in rows] == heads
    for row in rows:
        assert 0 < row["head_ms"] < row["ms"]
        assert 0 < row["backbone_ms"] < row["ms"]
    assert rows[0]["ratio"] == 1.0


def test_every_detector_has_a_config_for_every_head():
    pytest.importorskip("detectron2")
    from benchmarks import detectors

    for detector in detectors.DETECTORS:
        assert "variant" not in detectors.load(detector, None).model.head.get("trunk", {})
        for variant in detectors.VARIANTS:
            assert detectors.load(detector, variant).model.head.trunk.variant == variant


RUNTIMES = {
    "onnxruntime": ("ONNX Runtime float32", "ONNX Runtime int8"),
    "openvino": ("OpenVINO float32", "OpenVINO bfloat16", "OpenVINO int8"),
}


def expected_forms():
    """Forms of what is installed but for torch.compile, which takes its time."""
    packages = {"onnxruntime": "onnxscript", "openvino": "nncf"}
    there = [name for name, package in packages.items() if importlib.util.find_spec(package)]
    return ["eager float32", "eager bfloat16", *(form for name in there for form in RUNTIMES[name])]


@pytest.mark.parametrize("part", ["trunk", pytest.param("detector", marks=pytest.mark.slow)])
def test_runtimes(part, monkeypatch, tmp_path, capsys):
    if part == "detector":
        pytest.importorskip("detectron2")
    threads = torch.get_num_threads()
    out = tmp_path / "report"
    options = ["--smoke", "--parts", part, "--variants", "plain", "sepc", "--threads", "1"]
    options += ["--only", "eager", "onnxruntime", "openvino", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["trunk", "--runtimes", *options])
    try:
        assert importlib.import_module("benchmarks.trunk").main() == 0
    finally:
        torch.set_num_threads(threads)
    rows = json.loads(out.with_suffix(".json").read_text())["rows"]
    first = ["as Detectron2 has it"] if part == "detector" else []
    found = {
        group: [row["form"] for row in rows if row["group"] == group] for group in ("plain", "sepc")
    }
    assert found == {"plain": [*first, *expected_forms()], "sepc": expected_forms()}
    assert {row["ratio"] for row in rows if row["form"] == "eager float32"} == {1.0}
    assert out.with_suffix(".md").read_text().count("\n| ") == len(rows) + 1
    printed = capsys.readouterr().out
    assert ("left out: openvino" in printed) == (importlib.util.find_spec("nncf") is None)


@pytest.mark.slow
def test_all_for_a_gpu(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    from benchmarks import gpu

    runs = ["trunk_batch_1", "trunk_training"]
    if importlib.util.find_spec("detectron2"):
        runs.append("detectors_batch_1")
    options = ["--device", "cpu", "--dtype", "bfloat16", "--smoke", "--out", str(tmp_path / "gpu")]
    for _ in range(2):  # the second time nothing is measured again
        assert gpu.main([*options, "--runs", *runs]) == 0
    page = (tmp_path / "gpu_smoke" / "gpu.md").read_text()
    assert page.count("## ") == len(runs) and page.count("| 64x64 |") > 8 * len(runs) - 8
    assert capsys.readouterr().out.count("done before") == len(runs)


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    from benchmarks import gpu

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "expected a CUDA device" in capsys.readouterr().err
