"""The command-line tools of the export, and the example that serves a file without torch."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch

pytest.importorskip("detectron2")
for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package)

from detectron2.config import LazyConfig  # noqa: E402

from benchmarks import precisions  # noqa: E402
from sepc.calibration import ClassCalibration, ScoreCalibration  # noqa: E402
from sepc.calibration.calibrators import Linear  # noqa: E402
from sepc.d2.engine import evaluate  # noqa: E402
from sepc.export import load_exported  # noqa: E402
from sepc.score_threshold import SHOWN_SCORE  # noqa: E402

from ..without import TORCH, run_without  # noqa: E402

ROOT = Path(__file__).parents[2]


def tool(name):
    """A tool as a function of its arguments."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(trained, config_of, tmp_path_factory):
    """Arguments that name a trained detector."""
    folder = tmp_path_factory.mktemp("run")
    LazyConfig.save(config_of("retinanet"), str(folder / "config.yaml"))
    torch.save({"model": trained("retinanet").state_dict()}, folder / "model_final.pth")
    return ["--config-file", str(folder / "config.yaml")], str(folder / "model_final.pth")


def test_export_and_evaluate(run, trained, config_of, tmp_path, capsys):
    config, weights = run
    file, ir, metrics = tmp_path / "x.ts", tmp_path / "ir", tmp_path / "metrics.json"
    arguments = [*config, "--weights", weights, "--format", "torchscript", "--dump-ir", str(ir)]
    assert tool("export_model").main([*arguments, str(file), "+model.test_score_thresh=0.1"]) == 0
    printed = capsys.readouterr().out
    assert "checked on images of exported_train" in printed
    assert "in 5 images, the same classes" in printed
    assert (ir / "model_ts_code.txt").is_file()
    metadata = load_exported(file, trust=True).metadata
    assert metadata["score_threshold"] == "0.1"
    assert metadata["class_names"].startswith("dotted circle,ringed circle,")
    assert metadata["category_ids"].startswith("1,2,3,4,5,6")

    arguments = [str(file), "--json", str(metrics)]
    assert tool("evaluate_exported").main([*arguments, *config]) == 2
    assert "which is a program" in capsys.readouterr().err
    assert tool("evaluate_exported").main([*arguments, *config, "--trust"]) == 0
    assert "bbox: AP " in capsys.readouterr().out
    calibration = ScoreCalibration("linear", {1: ClassCalibration(0.9, Linear(0.5, 0.0), 0.9)})
    calibration.save(tmp_path / "calibration.json")
    calibrated = ["--calibration", str(tmp_path / "calibration.json")]
    before = metrics.read_text()
    assert tool("evaluate_exported").main([*arguments, *config, *calibrated, "--trust"]) == 0
    after = json.loads(metrics.read_text())["bbox"]  # the order within a class is the same
    assert after["AP"] == pytest.approx(json.loads(before)["bbox"]["AP"])
    metrics.write_text(before)
    cfg = config_of("retinanet")
    model = trained("retinanet")
    threshold, model.test_score_thresh = model.test_score_thresh, 0.1
    expected = evaluate(cfg, model)["bbox"]["AP"]
    model.test_score_thresh = threshold
    assert json.loads(metrics.read_text())["bbox"]["AP"] == pytest.approx(expected, abs=0.1)


def test_export_says_what_is_wrong_in_one_line(run, tmp_path, capsys):
    config, weights = run
    export = tool("export_model").main
    out = str(tmp_path / "x.ts")
    assert export([*config, "--weights", "none.pth", "--format", "torchscript", out]) == 2
    assert "error: checkpoint not found: none.pth" in capsys.readouterr().err
    images = ["--images", str(tmp_path / "none.jpg")]
    arguments = [*config, "--weights", weights, "--format", "torchscript", out]
    assert export([*arguments, *images]) == 2
    assert "none.jpg" in capsys.readouterr().err
    assert export([*config, "--weights", weights, "--dump-ir", "x", out]) == 2
    assert "expected --format torchscript" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_evaluate_says_what_is_wrong_in_one_line(onnx_file, tmp_path, capsys):
    main = tool("evaluate_exported").main
    assert main([str(tmp_path / "none.onnx"), "--dataset", "exported_train"]) == 2
    assert "error: exported detector not found" in capsys.readouterr().err
    assert main([str(onnx_file("retinanet")[0]), "--dataset", "exported_trian"]) == 2
    assert "similar names: exported_train" in capsys.readouterr().err


def test_quantize(onnx_file, four_images, tmp_path, capsys):
    source, _ = onnx_file("retinanet")
    images = [str(file) for file in (four_images / "train2017").iterdir()]
    main = tool("quantize_onnx").main
    arguments = [str(source), str(tmp_path / "x.onnx"), "--precision", "int8-static"]
    assert main(arguments) == 2
    assert "expected images to calibrate int8-static on" in capsys.readouterr().err
    assert main([*arguments, "--images", *images]) == 0
    assert " MB, from " in capsys.readouterr().out
    assert load_exported(tmp_path / "x.onnx").metadata["precision"] == "int8-static"


def test_precision_table(run, onnx_file, tmp_path, capsys, monkeypatch):
    config, weights = run
    source = onnx_file("retinanet")[0]  # exported once for all tests

    def export(cfg, weights, out, *, format):
        if format == "onnx":
            return shutil.copy(source, out)
        return original(cfg, weights, out, format=format)

    original = precisions.export
    monkeypatch.setattr(precisions, "export", export)
    (tmp_path / "out").mkdir()
    assert precisions.main([*config, "--weights", weights, str(tmp_path / "out")]) == 0
    table = capsys.readouterr().out.partition("| precision |")[2].splitlines()[2:]
    rows = {row.split("|")[1].strip(): float(row.split("|")[3]) for row in table}
    expected = [
        "float32, PyTorch",
        "bfloat16, PyTorch",
        "float32, ONNX",
        "float16, ONNX",
        "int8-dynamic, ONNX",
        "int8-static, ONNX",
    ]
    if all(map(importlib.util.find_spec, ("openvino", "nncf"))):
        expected += ["float32, OpenVINO", "int8-static, OpenVINO"]
    assert list(rows) == expected
    assert rows["float32, ONNX"] == pytest.approx(rows["float32, PyTorch"], abs=0.1)
    assert min(rows.values()) > 0.5 * rows["float32, PyTorch"]


def serve(*arguments):
    return run_without(TORCH, ROOT / "examples" / "serve_onnx.py", *arguments)


def test_example_serves_a_file_without_torch(onnx_file, four_images, tmp_path):
    source, _ = onnx_file("retinanet")
    file = min((four_images / "train2017").iterdir())
    drawn = tmp_path / "drawn.png"
    result = serve(source, file, "--threshold", 0.3, "--draw", drawn)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)

    import cv2

    pixels = cv2.imread(str(file))
    image = torch.from_numpy(pixels[..., ::-1].transpose(2, 0, 1).copy())
    boxes, scores, classes = load_exported(source).detect(image)
    clear = scores >= 0.3
    assert clear.any()
    assert [x["class"] for x in found] == ["abcdefghijkl"[i] for i in classes[clear]]
    torch.testing.assert_close(torch.tensor([x["box"] for x in found]), boxes[clear])
    torch.testing.assert_close(torch.tensor([x["score"] for x in found]), scores[clear])
    assert (cv2.imread(str(drawn)) != pixels).any()


def test_example_says_what_is_wrong(onnx_file, tmp_path):
    result = serve(onnx_file("retinanet")[0], tmp_path / "none.jpg")
    assert result.returncode == 1
    assert "does not exist" in result.stderr
    assert f"scores less ({SHOWN_SCORE:g})" in " ".join(serve("--help").stdout.split())


def test_example_is_short_and_imports_little():
    lines = (ROOT / "examples" / "serve_onnx.py").read_text().splitlines()
    assert len(lines) < 65
    imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= {
        *("argparse", "csv", "json", "sys", "cv2", "numpy", "onnxruntime"),
        *("sepc.export.devices", "sepc.export.preprocess", "sepc.score_threshold"),
    }
