import os
import pickle
import urllib.error

import numpy as np
import pytest
import torch
from iopath.common.file_io import PathHandler, PathManager
from torch import nn

from sepc.d2.engine import Checkpointer, PeriodicCheckpointer


def make_model(classes=3):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, classes, 1))


def test_save_and_load(tmp_path):
    model, other = make_model(), make_model()
    Checkpointer(model, str(tmp_path)).save("model_0000003", iteration=3)
    checkpointer = Checkpointer(other, str(tmp_path))
    rest = checkpointer.load(checkpointer.get_checkpoint_file(), strict=True)
    assert rest["iteration"] == 3
    torch.testing.assert_close(other.state_dict(), model.state_dict())
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model_0000003.pth"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_failed_save_leaves_the_last_one(tmp_path, monkeypatch, error):
    model = make_model()
    checkpointer = Checkpointer(model, str(tmp_path))
    checkpointer.save("model", iteration=1)
    before = (tmp_path / "model.pth").read_bytes()

    def fail_halfway(data, file):
        file.write(b"half a checkpoint")
        raise error

    monkeypatch.setattr(torch, "save", fail_halfway)
    with pytest.raises(type(error)):
        checkpointer.save("model", iteration=2)
    with pytest.raises(type(error)):
        checkpointer.save("model_2", iteration=2)
    assert (tmp_path / "model.pth").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model.pth"]
    assert checkpointer.get_checkpoint_file() == str(tmp_path / "model.pth")


def test_other_shapes_are_named(tmp_path):
    Checkpointer(make_model(3), str(tmp_path)).save("model")
    with pytest.raises(ValueError) as error:
        Checkpointer(make_model(5)).load(str(tmp_path / "model.pth"))
    assert "2.weight: expected (5, 4, 1, 1), got (3, 4, 1, 1)" in str(error.value)
    assert "2.bias: expected (5,), got (3,)" in str(error.value)


def test_strict_names_missing_and_unexpected_keys(tmp_path):
    state = make_model().state_dict()
    state["extra"] = state.pop("2.weight")
    path = tmp_path / "part.pth"
    torch.save({"model": state}, path)
    Checkpointer(make_model()).load(str(path))  # a part is enough to start from
    with pytest.raises(ValueError, match=r"missing keys: 2.weight; unexpected keys: extra"):
        Checkpointer(make_model()).load(str(path), strict=True)


def test_counter_of_batches_may_be_missing(tmp_path):
    state = make_model().state_dict()
    del state["1.num_batches_tracked"]
    torch.save(state, tmp_path / "plain.pth")
    Checkpointer(make_model()).load(str(tmp_path / "plain.pth"), strict=True)


def test_weights_of_something_else(tmp_path):
    torch.save({"something.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"no weight of this model; expected keys such as 0"):
        Checkpointer(make_model()).load(str(tmp_path / "other.pth"))


def test_pickle_of_arrays_as_in_the_model_zoo(tmp_path):
    model, other = make_model(), make_model()
    state = {key: np.asarray(value) for key, value in model.state_dict().items()}
    path = tmp_path / "zoo.pkl"
    path.write_bytes(pickle.dumps({"model": state, "__author__": "test"}))
    Checkpointer(other).load(str(path), strict=True)
    torch.testing.assert_close(other.state_dict(), model.state_dict())


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("malicious",)


def test_pickle_with_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps({"model": make_model().state_dict(), "__author__": Malicious()}))
    with pytest.raises(ValueError, match=r"bad.pkl is not a .*mkdir, .* nothing of it was run"):
        Checkpointer(make_model()).load(str(path))
    assert not (tmp_path / "malicious").exists()


def test_pickle_of_caffe2(tmp_path):
    """Detectron's blobs have other names, and momenta; names are matched by their ends."""
    model, other = make_model(), make_model()
    blobs = {key: np.asarray(value) for key, value in model.state_dict().items()}
    blobs["2.weight_momentum"] = blobs["2.weight"]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"blobs": blobs, "cfg": "text"}, protocol=2))
    Checkpointer(other).load(str(tmp_path / "x.pkl"))
    torch.testing.assert_close(other[2].weight, model[2].weight)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ([1], "x.pth", "expected a dict of weights, got list"),
        ({"meta": {}, "state_dict": {}}, "x.pth", r"of mmdetection: tools/convert_checkpoint.py"),
        ({"a": 1}, "x.pyth", r"expected 'model_state' in a .pyth file, got \['a'\]"),
        ({}, "x.pth?heuristics=True", r"expected \?matching_heuristics=True, got .*'heuristics'"),
    ],
)
def test_files_of_others(tmp_path, content, name, message):
    torch.save(content, tmp_path / name.partition("?")[0])
    with pytest.raises(ValueError, match=message):
        Checkpointer(make_model()).load(str(tmp_path / name))


@pytest.mark.parametrize("content", ["empty", "truncated", "code"])
def test_unreadable_file(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    torch.save({"model": make_model().state_dict(), "x": Malicious()}, path)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "truncated": whole[: len(whole) // 2], "code": whole}[content])
    with pytest.raises(ValueError, match=r"bad.pth is not a readable checkpoint: "):
        Checkpointer(make_model()).load(str(path))
    assert not (tmp_path / "malicious").exists()


def test_failed_download_names_what_to_set(monkeypatch):
    checkpointer = Checkpointer(nn.Linear(1, 1))

    def offline(path):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(checkpointer.path_manager, "get_local_path", offline)
    told = r"cannot download https://host/a.pth: .*no route.*: train\.init_checkpoint=FILE"
    with pytest.raises(OSError, match=told):
        checkpointer.load("https://host/a.pth")


def test_no_file(tmp_path):
    checkpointer = Checkpointer(make_model())
    with pytest.raises(FileNotFoundError, match=r"checkpoint not found: .*none.pth"):
        checkpointer.load(str(tmp_path / "none.pth"))
    assert checkpointer.load("") == {}


class Remote(PathHandler):
    """Handler of a prefix, over a local folder."""

    def __init__(self, folder):
        super().__init__()
        self.folder = str(folder)

    def _get_supported_prefixes(self):
        return ["remote://"]

    def _get_local_path(self, path, force=False, **kwargs):
        return path.replace("remote://", self.folder + "/")

    def _open(self, path, mode="r", buffering=-1, **kwargs):
        return open(self._get_local_path(path), mode, buffering=buffering, **kwargs)

    def _exists(self, path, **kwargs):
        return os.path.exists(self._get_local_path(path))

    _isfile = _exists


def test_prefix_of_a_path_manager_is_written_and_read_through_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far").mkdir()
    model, other = make_model(), make_model()
    for which in (model, other):
        checkpointer = Checkpointer(which, "remote://")
        checkpointer.path_manager = PathManager()
        checkpointer.path_manager.register_handler(Remote(tmp_path / "far"))
        if which is model:
            checkpointer.save("model_0000003", iteration=3)
    assert sorted(os.listdir("far")) == ["last_checkpoint", "model_0000003.pth"]
    assert os.listdir(".") == ["far"]
    last = checkpointer.get_checkpoint_file()
    assert last == "remote://model_0000003.pth"
    assert checkpointer.load(last, strict=True)["iteration"] == 3
    torch.testing.assert_close(other.state_dict(), model.state_dict())


@pytest.mark.parametrize(
    "name", ["../model.pth", "/tmp/model.pth", "..", "", "a\nb", "a\\b", "a\0"]
)
def test_last_checkpoint_stays_in_its_folder(tmp_path, name):
    Checkpointer(make_model(), str(tmp_path)).save("model")
    (tmp_path / "last_checkpoint").write_text(name)
    with pytest.raises(ValueError, match=r"last_checkpoint: expected the name of a file in its"):
        Checkpointer(make_model(), str(tmp_path)).get_checkpoint_file()


@pytest.mark.parametrize("folder", ["what?x=1", "a#b", "a b;c", "50%", "new\nline", "ü"])
def test_folders_that_would_be_other_addresses(tmp_path, folder):
    model, other = make_model(), make_model()
    Checkpointer(model, str(tmp_path / folder)).save("model")
    checkpointer = Checkpointer(other, str(tmp_path / folder))
    checkpointer.load(checkpointer.get_checkpoint_file(), strict=True)
    torch.testing.assert_close(other.state_dict(), model.state_dict())


def test_weights_can_be_loaded_without_a_file():
    model, other = make_model(), make_model()
    Checkpointer(other)._load_model({"model": dict(model.state_dict())})
    torch.testing.assert_close(other.state_dict(), model.state_dict())
    with pytest.raises(ValueError, match=r"^the checkpoint has other shapes than the model: "):
        Checkpointer(make_model(5))._load_model({"model": dict(model.state_dict())})


def test_checkpoints_from_before_a_resume_are_counted(tmp_path):
    class Loop:
        start_iter, max_iter = 6, 10

    checkpointer = Checkpointer(make_model(), str(tmp_path))
    for name in ("model_0000001", "model_0000003", "model_0000005", "model_0000009", "other"):
        checkpointer.save(name)
    hook = PeriodicCheckpointer(checkpointer, 2, max_to_keep=2)
    hook.trainer = Loop
    hook.before_train()
    names = ["model_0000003.pth", "model_0000005.pth", "model_0000009.pth"]
    assert checkpointer.saved_names() == names
    hook.step(7)
    assert checkpointer.saved_names() == [*names[1:2], "model_0000007.pth", "model_0000009.pth"]
    hook.step(9)
    assert checkpointer.saved_names() == [
        "model_0000007.pth",
        "model_0000009.pth",
        "model_final.pth",
    ]
