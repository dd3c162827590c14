import os
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sepc.d2.engine import Checkpointer


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


def test_no_file(tmp_path):
    checkpointer = Checkpointer(make_model())
    with pytest.raises(FileNotFoundError, match=r"checkpoint not found: .*none.pth"):
        checkpointer.load(str(tmp_path / "none.pth"))
    assert checkpointer.load("") == {}
