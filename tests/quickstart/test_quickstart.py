"""The quick start from end to end, with a handful of images and iterations."""

import importlib
import json
import signal
import sys
from pathlib import Path

import pytest
import torch

from dev.setup_env import detectron2_in_use
from quickstart import detectron2_job, torchvision_job
from quickstart.data.coco_folder import write_dataset
from quickstart.evaluation import METRICS, busiest_image, coco_metrics, format_table
from quickstart.settings import Settings, config_of, override_of
from sepc.tv import build_small_atss

from ..tv.helpers import shallow

REPOSITORY = Path(__file__).parents[2]
IMAGES = dict(train_images=6, val_images=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets") / "shapes"
    write_dataset(folder, **IMAGES, progress=False)
    return folder


@pytest.fixture
def settings(data, tmp_path):
    return Settings(
        data=data, output=tmp_path / "out", variant="pconv", binding="torchvision", iterations=4
    )


@pytest.fixture
def tool(data, monkeypatch):
    """quickstart/__main__.py as a function of its arguments; it finds the data of this test."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(data.parent))
    module = importlib.import_module("quickstart.__main__")
    amounts = [f"--{name.replace('_', '-')}={n}" for name, n in IMAGES.items()]
    return lambda *arguments: module.main([*amounts, *map(str, arguments)])


@pytest.fixture(autouse=True)
def in_small(monkeypatch):
    monkeypatch.setattr(torchvision_job, "BATCH", 2)

    def small(variant, **options):
        return build_small_atss(variant, **shallow(variant), **options)

    monkeypatch.setattr(torchvision_job, "build_small_atss", small)


def never(*args, **kwargs):
    raise AssertionError("expected no training")


def needs_export():
    for package in ("onnx", "onnxruntime", "onnxscript", "matplotlib"):
        pytest.importorskip(package)


def interrupt_at(monkeypatch, iteration):
    step = torchvision_job._step

    def interrupted(*args):
        if args[-1] == iteration:
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(torchvision_job, "_step", interrupted)


def test_torchvision_job(tool, tmp_path, monkeypatch, capsys):
    needs_export()
    arguments = ("--binding=torchvision", "--iterations=2", "--variant=pconv", "--output", tmp_path)
    assert tool(*arguments) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    for line in (lines[0], lines[-3]):
        assert "torchvision alone, without Detectron2" in line
    assert lines[-1].startswith("The report") and lines[-1].endswith("report.html")
    assert any(line.startswith("AP small") for line in lines)
    output = tmp_path / "torchvision_atss_pconv"
    for name in ("detections.png", "curves.png", "detector.onnx", "metrics.json", "report.html"):
        assert (output / name).stat().st_size > 0
        assert any(line.endswith(name) for line in lines), name

    monkeypatch.setattr(torchvision_job, "_step", never)
    assert tool(*arguments) == 0
    assert "finished already" in capsys.readouterr().out


def test_detectron2_job(tool, tmp_path, monkeypatch, capfd):
    pytest.importorskip("detectron2")
    needs_export()
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "projects" / "SEPC"))
    arguments = ("--iterations=2", "--variant=pconv", "--output", tmp_path)
    assert tool(*arguments) == 0
    lines = capfd.readouterr().out.strip().splitlines()
    assert lines[-1].endswith("report.html") and "torchvision alone" not in "".join(lines[-3:])
    which = f"Through {detectron2_in_use()}"
    assert lines[0] == which and which in lines[-3:]
    output = tmp_path / "atss_pconv"
    for name in ("detections.png", "curves.png", "detector.onnx", "metrics.json", "report.html"):
        assert (output / name).stat().st_size > 0
        assert any(line.endswith(name) for line in lines), name

    monkeypatch.setattr(detectron2_job.subprocess, "Popen", never)
    assert tool(*arguments) == 0
    assert "finished already" in capfd.readouterr().out


def test_both_bindings_have_the_same_schedule(settings):
    pytest.importorskip("detectron2")
    from detectron2.config import instantiate

    from sepc.d2.engine import load_config

    config, overrides = settings.config
    schedule = instantiate(load_config(str(REPOSITORY / config), overrides).lr_multiplier)
    course = [i / 600 for i in range(600)]
    expected = [schedule(where) for where in course]
    assert [torchvision_job._lr_multiplier(where) for where in course] == pytest.approx(expected)
    assert expected[0] == 0.05 and expected[-1] < 0.01  # of both, up and down
    assert set(expected[60:450]) == {1.0}


def test_compare_prints_both_tables_side_by_side(tool, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(torchvision_job, "export", lambda settings: "not exported here")
    assert tool("--binding=torchvision", "--iterations=1", "--compare", "--output", tmp_path) == 0
    out = capsys.readouterr().out
    header = next(line for line in out.splitlines() if line.strip().startswith("sepc_lite  "))
    assert header.split() == ["sepc_lite", "plain_gn", "difference"]
    for name in ("detections.png", "report.html"):
        assert (tmp_path / "torchvision_atss_plain_gn" / name).exists()
    assert (tmp_path / "torchvision_atss_sepc_lite" / "comparison.png").exists()


def test_resumed_training_equals_an_uninterrupted_one(settings, tmp_path, monkeypatch, capsys):
    torchvision_job.train(settings)
    other = Settings(**{**vars(settings), "output": tmp_path / "interrupted"})
    monkeypatch.setattr(torchvision_job, "CHECKPOINT_PERIOD", 2)
    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupt_at(interrupted, 3)
        torchvision_job.train(other)
    assert not other.weights.exists()
    torchvision_job.train(other)
    assert "continuing after 2 of 4 iterations" in capsys.readouterr().out
    expected, actual = (torch.load(s.weights, weights_only=True) for s in (settings, other))
    torch.testing.assert_close(actual, expected)
    assert other.load_results() == settings.load_results()


def test_a_signal_saves_and_no_row_is_written_twice(settings, monkeypatch):
    settings.claim()
    monkeypatch.setattr(torchvision_job, "LOG_PERIOD", 1)
    step = torchvision_job._step

    def signaled(*args):
        if args[-1] == 1:
            signal.raise_signal(signal.SIGTERM)
        return step(*args)

    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt) as stop:
        interrupted.setattr(torchvision_job, "_step", signaled)
        torchvision_job.train(settings)
    assert stop.value.signum == signal.SIGTERM
    assert torch.load(settings.output / "checkpoint.pth", weights_only=True)["iteration"] == 2

    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupt_at(interrupted, 3)  # after the row of iteration 2, without a checkpoint
        torchvision_job.train(settings)
    with settings.metrics.open("a") as file:
        file.write('{"iteration": 3, "total_')  # a kill amid a row
    torchvision_job.train(settings)
    rows = [json.loads(line)["iteration"] for line in settings.metrics.read_text().splitlines()]
    assert rows == [0, 1, 2, 3]


def test_interrupt_says_how_to_go_on(tool, tmp_path, monkeypatch, capsys):
    interrupt_at(monkeypatch, 0)
    assert tool("--binding=torchvision", "--iterations=2", "--output", tmp_path) == 130
    assert "same command goes on" in capsys.readouterr().err


def test_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(settings, monkeypatch):
    monkeypatch.setattr(torchvision_job, "CHECKPOINT_PERIOD", 1)
    batch = torchvision_job.CocoImages.batch

    def broken(self, iteration, *args):
        images, targets = batch(self, iteration, *args)
        return [x * float("nan") for x in images] if iteration == 2 else images, targets

    monkeypatch.setattr(torchvision_job.CocoImages, "batch", broken)
    with pytest.raises(FloatingPointError, match="not finite at iteration 2: total_loss = nan"):
        torchvision_job.train(settings)
    saved = torch.load(settings.output / "checkpoint.pth", weights_only=True)
    assert saved["iteration"] == 2
    assert all(x.isfinite().all() for x in saved["model"].values())


def test_other_settings_in_the_same_folder(tool, tmp_path, monkeypatch, capsys):
    interrupt_at(monkeypatch, 0)
    tool("--binding=torchvision", "--iterations=2", "--output", tmp_path)
    assert tool("--binding=torchvision", "--iterations=3", "--output", tmp_path) == 2
    assert "iterations 2 (asked for: 3)" in capsys.readouterr().err


def test_output_that_cannot_be_written(tool, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert tool("--binding=torchvision", "--output", tmp_path / "file") == 2
    assert "error: " in capsys.readouterr().err


def test_settings_out_of_range(data, tmp_path):
    arguments = dict(data=data, output=tmp_path, binding="torchvision")
    with pytest.raises(ValueError, match=r"unknown variant: expected one of .* got 'other'"):
        Settings(**arguments, variant="other", iterations=1)
    with pytest.raises(ValueError, match="at least one iteration, got 0"):
        Settings(**arguments, variant="sepc", iterations=0)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("sys.exit(3)", detectron2_job.TrainingFailed),
        ("sys.exit(130)", KeyboardInterrupt),
        ("os.kill(os.getpid(), signal.SIGTERM)", KeyboardInterrupt),
    ],
)
def test_how_train_net_has_ended(settings, tmp_path, body, error):
    (tmp_path / "train_net.py").write_text(f"import os, signal, sys\n{body}\n")
    with pytest.raises(error):
        detectron2_job.train(settings, tmp_path)


def test_train_net_is_asked_to_resume(settings, tmp_path):
    (tmp_path / "train_net.py").write_text(
        "import json, os, pathlib, sys\n"
        f"pathlib.Path({str(tmp_path / 'asked.json')!r}).write_text(json.dumps("
        "[sys.argv[1:], os.environ['DETECTRON2_DATASETS']]))\n"
    )
    detectron2_job.train(settings, tmp_path)
    arguments, datasets = json.loads((tmp_path / "asked.json").read_text())
    assert arguments[:4] == [
        "--config-file",
        str(tmp_path / "configs" / "quickstart" / "atss_sepc.py"),
        "--resume",
        "model.head.trunk.variant=pconv",
    ]
    assert {"train.max_iter=4", "model.backbone.out_channels=32"} <= set(arguments)
    assert datasets == str(settings.data.parent)


def test_without_detectron2(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "detectron2", None)
    monkeypatch.setitem(sys.modules, "detectron2.engine", None)
    assert tool("--binding=detectron2", "--output", tmp_path) == 2
    assert "Detectron2 can't be imported" in capsys.readouterr().err
    interrupt_at(monkeypatch, 0)
    assert tool("--iterations=1", "--output", tmp_path) == 130
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("Through torchvision alone, without Detectron2 (Detectron2 can't")


def test_metrics_of_perfect_and_of_no_detections(data):
    path = data / "annotations" / "instances_val2017.json"
    truth = json.loads(path.read_text())["annotations"]
    keys = ("image_id", "category_id", "bbox")
    perfect = [{**{k: a[k] for k in keys}, "score": 1.0} for a in truth if not a["iscrowd"]]
    assert coco_metrics(path, perfect)["AP"] == pytest.approx(100)
    nothing = coco_metrics(path, [])
    assert list(nothing) == list(METRICS)
    assert nothing["AP"] == 0


def test_table_of_two_runs():
    ours = dict.fromkeys(METRICS, 30.0)
    plain = {**dict.fromkeys(METRICS, 28.5), "AP large (over 96 px)": -1.0}
    lines = format_table({"sepc": ours, "plain": plain}).splitlines()
    assert lines[0].split() == ["sepc", "plain", "difference"]
    assert lines[2].split() == ["AP", "30.0", "28.5", "+1.5"]
    assert lines[7].split()[-3:] == ["30.0", "-", "-"]
    assert len({len(line) for line in lines}) == 1


def test_busiest_image():
    assert busiest_image([{"image_id": 3}, {"image_id": 5}, {"image_id": 5}]) == 5
    assert busiest_image([]) is None


def test_config_of_the_quick_start_is_what_its_overrides_make():
    pytest.importorskip("detectron2")
    from sepc.d2.engine import load_config

    config, overrides = config_of("retinanet", "pconv_ibn")
    made = load_config(str(REPOSITORY / config), overrides)
    named = load_config(str(REPOSITORY / "configs" / "quickstart" / "retinanet_pconv_ibn.py"))
    assert named.train.output_dir == "./output/quickstart/retinanet_pconv_ibn"
    named.train.output_dir = made.train.output_dir
    assert str(named) == str(made)


@pytest.mark.parametrize(
    "folder", ["out", "epoch=3", "run (1)", "a,b", "训练", "x[0]", "it's", "50%"]
)
def test_folders_of_any_name_reach_the_config(folder):
    pytest.importorskip("detectron2")
    from sepc.d2.engine import load_config

    overrides = [override_of("train.output_dir", Path("my") / folder)]
    cfg = load_config(str(REPOSITORY / "configs" / "quickstart" / "retinanet_plain.py"), overrides)
    assert cfg.train.output_dir == f"my/{folder}"
