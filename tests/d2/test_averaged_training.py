"""Averaged weights of a training: what is saved, evaluated and resumed."""

import shutil

import pytest
import torch

from sepc.commands.average_checkpoints import main
from sepc.d2 import engine
from sepc.d2.engine import averaging

from .test_train_net import run, weights

EMA = {"train.ema.enabled": True, "train.ema.decay": 0.5, "train.ema.ramp": 0}


@pytest.fixture(scope="module")
def trained(tiny_data, tmp_path_factory):
    folder, evaluated = tmp_path_factory.mktemp("averaged"), []
    evaluate = averaging.evaluate

    def spy(cfg, model, *others, **options):
        evaluated.append({name: value.clone() for name, value in model.state_dict().items()})
        return evaluate(cfg, model, *others, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(averaging, "evaluate", spy)
        run(folder, **EMA, **{"train.checkpointer.period": 1})
    return folder, evaluated


def average_of(path):
    return torch.load(path, weights_only=True)["averaged"]


def test_checkpoints_hold_the_average_beside_the_weights(trained):
    folder, _ = trained
    before = average_of(folder / "model_0000001.pth")
    path = folder / "model_0000002.pth"
    for name, value in weights(path).items():
        expected = (before[name] + value) / 2 if value.is_floating_point() else value
        torch.testing.assert_close(average_of(path)[name], expected)


def test_the_average_is_evaluated_and_written_and_the_weights_come_back(trained):
    folder, evaluated = trained
    average = average_of(folder / "model_final.pth")
    assert len(evaluated) == 1
    written = weights(folder / "model_averaged.pth")
    differing = 0
    for name, value in weights(folder / "model_final.pth").items():
        assert torch.equal(evaluated[0][name], average[name])
        assert torch.equal(written[name], average[name])
        differing += not torch.equal(value, average[name])
    assert differing > 10


def test_resume_goes_on_with_the_average(trained, tmp_path):
    folder, _ = trained
    shutil.copy(folder / "model_0000001.pth", tmp_path)
    (tmp_path / "last_checkpoint").write_text("model_0000001.pth")
    run(tmp_path, "--resume", **EMA)
    straight = average_of(folder / "model_final.pth")
    for name, value in average_of(tmp_path / "model_final.pth").items():
        torch.testing.assert_close(value, straight[name], rtol=1e-2, atol=1e-3)


def test_an_average_that_is_left_out_is_told(trained, tmp_path):
    folder, _ = trained
    for name in ("model_final.pth", "last_checkpoint"):
        shutil.copy(folder / name, tmp_path)
    run(tmp_path, "--resume")
    assert "train.ema.enabled True -> False" in (tmp_path / "log.txt").read_text()


@pytest.fixture
def command(trained, tmp_path):
    folder, _ = trained
    files = [str(folder / f"model_{name}.pth") for name in ("0000001", "0000002")]
    files = ["--weights", *files, "--output", str(tmp_path / "mean.pth")]
    return ["--config-file", str(folder / "config.yaml"), *files]


def test_tool_averages_and_calibrates(command, trained, tmp_path, capsys):
    folder, _ = trained
    assert main([*command, "--images", "4"]) == 0
    assert "calibrated_on 4" in capsys.readouterr().out
    first, second = (weights(folder / f"model_000000{i}.pth") for i in (1, 2))
    mean = weights(tmp_path / "mean.pth")
    for name, value in mean.items():
        expected = (first[name] + second[name]) / 2 if value.is_floating_point() else first[name]
        same = torch.allclose(value, expected, rtol=1e-5, atol=1e-6)
        assert same != ("norm.shared.running" in name), name


def test_tool_takes_what_raises_ap(command, trained, tmp_path, monkeypatch):
    folder, _ = trained
    second = weights(folder / "model_0000002.pth")

    def likes_the_second(cfg, model):
        name = "head.bbox_pred.weight"
        return {"bbox": {"AP": -(model.state_dict()[name] - second[name]).abs().sum().item()}}

    monkeypatch.setattr(engine, "evaluate", likes_the_second)
    assert main([*command, "--greedy", "--images", "0"]) == 0
    mean = weights(tmp_path / "mean.pth")
    assert all(torch.equal(value, second[name]) for name, value in mean.items())


def test_tool_says_what_is_wrong_and_leaves_no_file(command, tmp_path, capsys):
    assert main([*command, "model.backbone.out_channels=16"]) == 2
    assert "other shapes than the model" in capsys.readouterr().err
    assert not (tmp_path / "mean.pth").exists()
