"""train_net.py as a whole, on a data set of a few images."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from detectron2.engine import default_argument_parser

import train_net
from sepc.d2.detectors.retinanet import RetinaNet
from sepc.d2.engine import averaging, join_torchrun
from sepc.metrics import read_rows

from .helpers import CONFIGS, ROOT, tiny_overrides

CONFIG = str(CONFIGS / "quickstart" / "retinanet_sepc.py")


def run(folder, *flags, variant="pconv_ibn", **others):
    torch.set_num_threads(1)  # another number of them sums in another order
    parser = default_argument_parser()
    overrides = tiny_overrides(folder, **{"model.head.trunk.variant": variant, **others})
    config = ["--config-file", CONFIG, "--num-gpus", "0"]
    return train_net.main(parser.parse_args([*config, *flags, *overrides]))


def weights(path):
    return torch.load(path, weights_only=True)["model"]


def assert_ends_equal(resumed, straight):
    """Bit for bit, in weights, optimizer, normalizers of losses and random numbers."""
    states = [torch.load(x / "model_final.pth", weights_only=True) for x in (resumed, straight)]
    for parts in zip(*map(compared, states), strict=True):
        torch.testing.assert_close(*parts, rtol=0, atol=0)


def compared(state):
    process = state["trainer"]["processes"][0]
    optimizer = state["trainer"]["optimizer"]["state"]
    return state["model"], optimizer, process["loss_normalizers"], process["rng"]["torch"]


@pytest.fixture(scope="module", autouse=True)
def threads_are_left_alone():
    """Else a training takes as many as there are cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def trained(tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    run(folder, **{"train.eval_period": 2})
    return folder


def test_training_leaves_metrics_and_checkpoints(trained):
    files = set(os.listdir(trained))
    assert {"config.yaml", "log.txt", "metrics.json", "model_final.pth"} <= files
    assert any(f.startswith("events.out.tfevents") for f in files)
    lines = [json.loads(line) for line in (trained / "metrics.json").read_text().splitlines()]
    assert [x["iteration"] for x in lines if "total_loss" in x] == [0, 1, 2, 3]
    assert {"loss_cls", "loss_box_reg", "grad_norm", "lr"} <= set(lines[0])
    assert sum("bbox/AP" in x for x in lines) == 2  # on the way and at the end
    assert "eta:" in (trained / "log.txt").read_text()


@pytest.mark.parametrize("workers", [0, 1])
def test_resume_equals_an_uninterrupted_training(trained, tmp_path, monkeypatch, workers):
    # Stopped by a crash in iteration 3, after the checkpoint of iteration 1: 2 is run twice.
    forward, calls = RetinaNet.forward, []

    def crash(self, inputs):
        calls.append(self.training)
        if calls.count(True) == 4:
            raise RuntimeError("crash")
        return forward(self, inputs)

    monkeypatch.setattr(RetinaNet, "forward", crash)
    with pytest.raises(RuntimeError, match="crash"):
        run(tmp_path)
    monkeypatch.undo()
    run(tmp_path, "--resume", **{"dataloader.train.num_workers": workers})

    assert_ends_equal(tmp_path, trained)
    lines = (tmp_path / "metrics.json").read_text().splitlines()
    iterations = [json.loads(line)["iteration"] for line in lines if "total_loss" in line]
    assert iterations == [0, 1, 2, 3]


def test_resume_of_accumulated_batches_sees_the_images_of_a_straight_training(
    tiny_data, tmp_path, monkeypatch
):
    """With accumulation a step takes several batches of the stream; the schedule counts steps."""
    forward, seen = RetinaNet.forward, []

    def spy(self, inputs):
        if self.training:
            seen.append([x["file_name"] for x in inputs])
        return forward(self, inputs)

    monkeypatch.setattr(RetinaNet, "forward", spy)
    run(tmp_path / "straight", **{"train.accumulate": 3})
    straight = seen.copy()
    assert len(straight) == 4 * 3
    assert [record["iteration"] for record in losses_of(tmp_path / "straight")] == [0, 1, 2, 3]

    (tmp_path / "resumed").mkdir()
    for name in ("model_0000001.pth", "last_checkpoint"):
        shutil.copy(tmp_path / "straight" / name, tmp_path / "resumed")
    (tmp_path / "resumed" / "last_checkpoint").write_text("model_0000001.pth")
    seen.clear()
    run(tmp_path / "resumed", "--resume", **{"train.accumulate": 3})
    assert seen == straight[6:]
    assert_ends_equal(tmp_path / "resumed", tmp_path / "straight")
    rates = [[x["lr"] for x in losses_of(tmp_path / name)] for name in ("straight", "resumed")]
    assert rates[1] == rates[0][2:]


def losses_of(folder):
    return [row for row in read_rows(folder / "metrics.json") if "total_loss" in row]


def test_resume_continues_the_loss_normalizer(trained):
    state = torch.load(trained / "model_0000001.pth", weights_only=True)
    normalizers = state["trainer"]["processes"][0]["loss_normalizers"]
    assert list(normalizers) == [""]
    assert 0 < normalizers[""] != 100  # Detectron2 starts at 100


def test_finished_training_is_not_repeated(trained):
    before = weights(trained / "model_final.pth")
    stamp = os.path.getmtime(trained / "model_final.pth")
    assert "AP" in run(trained, "--resume")["bbox"]
    assert os.path.getmtime(trained / "model_final.pth") == stamp
    torch.testing.assert_close(weights(trained / "model_final.pth"), before)


def evaluations(folder):
    return [row["iteration"] for row in read_rows(folder / "metrics.json") if "bbox/AP" in row]


def copy_of(trained, folder, last=None):
    """A training to resume, from its newest checkpoint or from the one that is named."""
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns(".lock"))
    if last:
        (folder / "last_checkpoint").write_text(last)
    return folder


class Killed(BaseException):
    """In place of a SIGKILL, which leaves no time for anything."""


@pytest.mark.parametrize(
    ("kill_at", "max_iter"), [(1, 4), (2, 4), pytest.param(2, 5, marks=pytest.mark.slow)]
)
def test_killed_evaluation_is_made_up(trained, tmp_path, monkeypatch, kill_at, max_iter):
    """In the first evaluation, of iteration 1; in that of the end; and prolonged after it."""
    calls, evaluate = [], averaging.evaluate

    def kill(*args):
        calls.append(1)
        if len(calls) == kill_at:
            raise Killed
        return evaluate(*args)

    monkeypatch.setattr(averaging, "evaluate", kill)
    with pytest.raises(Killed):
        run(tmp_path, **{"train.eval_period": 2})
    monkeypatch.undo()
    with (tmp_path / "metrics.json").open("a") as file:
        file.write('{"iteration": 4, "bb')
    run(tmp_path, "--resume", **{"train.eval_period": 2, "train.max_iter": max_iter})
    assert evaluations(tmp_path) == ([1, 4] if max_iter == 4 else [1, 4, 5])
    assert [x["iteration"] for x in losses_of(tmp_path)] == list(range(max_iter))


def test_changed_settings_are_used_or_refused_by_name(trained, tmp_path, capsys):
    folder = copy_of(trained, tmp_path / "out", "model_0000001.pth")
    for key, value, told in [
        ("train.seed", 7, "train.seed 1 -> 7"),
        ("dataloader.train.total_batch_size", 4, "total_batch_size 2 -> 4"),
        ("dataloader.train.dataset.names", "tiny_val", "dataset.names tiny_train -> tiny_val"),
        ("optimizer._target_", "torch.optim.Adam", "optimizer._target_ torch.optim"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            run(folder, "--resume", **{key: value})
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: --resume: a training keeps ") and told in error
    changes = {"optimizer.lr": 1e-5, "optimizer.weight_decay": 0.5, "train.max_iter": 3}
    run(folder, "--resume", **changes)
    state = torch.load(folder / "model_final.pth", weights_only=True)["trainer"]["optimizer"]
    assert all(group["initial_lr"] == 1e-5 for group in state["param_groups"])
    assert all(group["weight_decay"] in (0.5, 0.0) for group in state["param_groups"])
    line = next(x for x in capsys.readouterr().out.splitlines() if "Changed from iteration 2" in x)
    assert re.search(r"optimizer.lr 0.00\d+ -> 1e-05", line) and "train.max_iter 4 -> 3" in line
    assert losses_of(folder)[-1]["lr"] <= 1e-5


def test_resume_where_the_last_checkpoint_is_not_named(trained, tmp_path, capsys):
    folder = copy_of(trained, tmp_path / "out")
    (folder / "last_checkpoint").unlink()
    with pytest.raises(SystemExit, match="2"):
        run(folder, "--resume")
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "has checkpoints and no file last_checkpoint" in error and "model_final.pth" in error
    run(tmp_path / "new", "--resume", **{"train.max_iter": 1, "dataloader.test": "null"})
    told = capsys.readouterr().out
    assert "--resume: no checkpoint in" in told and "No validation set" in told


def test_checkpoint_without_its_settings_is_continued(trained, tmp_path, capsys):
    """As an earlier version wrote it: without a digest, too."""
    folder = copy_of(trained, tmp_path / "out", "model_0000001.pth")
    state = torch.load(folder / "model_0000001.pth", weights_only=True)
    del state["settings"]
    torch.save(state, folder / "model_0000001.pth")
    run(folder, "--resume", **{"optimizer.lr": 1e-5, "train.max_iter": 3})
    told = capsys.readouterr().out
    assert "does not note its settings" in told
    assert re.search(r"Changed from iteration 2 on: lr 0.00\d+ -> 1e-05", told)


def test_eval_only(trained, tmp_path):
    checkpoint = {"train.init_checkpoint": trained / "model_final.pth"}
    results = run(tmp_path, "--eval-only", **checkpoint)
    assert {"AP", "AP50", "APs"} <= set(results["bbox"])
    assert (tmp_path / "config.yaml").exists()


def test_eval_only_leaves_the_config_of_the_training(trained, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("of the training")
    run(tmp_path, "--eval-only", **{"train.init_checkpoint": trained / "model_final.pth"})
    assert config.read_text() == "of the training"
    assert "Command line arguments" in (tmp_path / "log.txt").read_text()


def test_not_finite_loss_keeps_the_last_checkpoint(tiny_data, tmp_path, monkeypatch, capsys):
    losses, calls = RetinaNet.losses, []

    def poisoned(self, *args):
        calls.append(1)
        result = losses(self, *args)
        return {k: v * float("nan") for k, v in result.items()} if len(calls) == 4 else result

    monkeypatch.setattr(RetinaNet, "losses", poisoned)
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path)
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: training stopped: a loss is not finite at iteration 3: ")
    assert "loss_cls = nan" in message
    assert "loss_box_reg = nan" in message
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000001.pth"
    assert not (tmp_path / "model_final.pth").exists()
    assert all(v.isfinite().all() for v in weights(tmp_path / "model_0000001.pth").values())
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("flags", "others", "message"),
    [
        (["--eval-only"], {}, "expected train.init_checkpoint=FILE, got none"),
        (["--eval-only"], {"train.init_checkpoint": "no/file.pth"}, "checkpoint not found: no/"),
        (
            ["--eval-only"],
            {"train.init_checkpoint": "x", "dataloader.test": "null"},
            "a validation",
        ),
        (
            [],
            {"dataloader.test.dataset.names": "[tiny_val,tiny_train]"},
            "got tiny_val, tiny_train",
        ),
        ([], {"optimizer.lr": "abc"}, "optimizer.lr: expected a number above 0, got 'abc'"),
        ([], {"+optimizer.rate": 1}, "optimizer can't be built from its settings: .*'rate'"),
        ([], {"dataloader.train.dataset.names": "no_data"}, "'no_data'"),
        ([], {"train.output_dir": "/dev/null/out"}, "cannot write to the output folder /dev/null"),
        ([], {"model.head.trunk.variant": "sepcc"}, "unknown variant: .*'sepcc'"),
        ([], {"train.max_itr": 3}, "did you mean 'train.max_iter'"),
        ([], {"dataloader.train.total_batch_size": 0}, "total_batch_size: expected .*got 0"),
    ],
)
def test_what_a_user_can_correct_is_one_line(
    tiny_data, tmp_path, monkeypatch, capsys, flags, others, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path / "out", *flags, **others)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert re.search(message, error)


def test_checkpoint_of_another_model(trained, tmp_path, capsys):
    checkpoint = {"train.init_checkpoint": trained / "model_final.pth"}
    with pytest.raises(SystemExit):
        run(tmp_path, "--eval-only", variant="pconv", **checkpoint)
    assert "is not a checkpoint of this model: missing keys: none; unexpected keys: " in (
        capsys.readouterr().err
    )
    with pytest.raises(SystemExit):
        run(tmp_path, variant="pconv_ibn", **checkpoint, **{"model.backbone.out_channels": 4})
    assert "fpn_lateral3.bias: expected (4,), got (8,)" in capsys.readouterr().err


def command(*arguments, program=(sys.executable,), **environment):
    return subprocess.run(
        [*program, str(ROOT / "train_net.py"), *map(str, arguments)],
        env=os.environ
        | {"PYTHONPATH": str(ROOT / "projects" / "SEPC"), "OMP_NUM_THREADS": "1"}
        | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_missing_config_file_from_the_shell():
    result = command("--config-file", "configs/none.py")
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1].startswith("error: config file not found: ")
    assert "Traceback" not in result.stderr


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.skipif(torch.cuda.is_available(), reason="CPU processes need a machine without GPU")
@pytest.mark.parametrize(
    ("program", "flags"),
    [([sys.executable], ["--num-gpus", 2, "--dist-url", "auto"]), (TORCHRUN, [])],
    ids=["own", "torchrun"],
)
def test_two_processes_on_the_cpu(program, flags, tiny_data, tmp_path):
    (tmp_path / "shapes").symlink_to(tiny_data)
    overrides = tiny_overrides(
        tmp_path / "out",
        **{
            "dataloader.train.dataset.names": "shapes_train",
            "dataloader.test.dataset.names": "shapes_val",
            "train.max_iter": 2,
        },
    )
    arguments = ["--config-file", CONFIG, *flags]
    overrides += ["+model.head.trunk.norm=SyncBN", "train.accumulate=2"]
    result = command(*arguments, *overrides, program=program, DETECTRON2_DATASETS=str(tmp_path))
    assert result.returncode == 0, result.stderr[-3000:]
    assert "image(s) per process" not in result.stdout
    state = torch.load(tmp_path / "out" / "model_final.pth", weights_only=True)
    assert len(state["trainer"]["processes"]) == 2
    assert "World size: 2" in (tmp_path / "out" / "log.txt").read_text()


def test_flags_that_torchrun_has_itself(monkeypatch):
    assert not join_torchrun(num_gpus=1, num_machines=1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with pytest.raises(ValueError, match=r"expected its --nproc-per-node .* got --num-gpus 4"):
        join_torchrun(num_gpus=4, num_machines=1)
