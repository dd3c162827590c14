"""Tests of reading checkpoints as data, and of what is refused."""

import codecs
import io
import os
import pickle
import random
from collections import OrderedDict

import numpy as np
import pytest
import torch

from sepc.checkpoint.reading import check_hash, read_checkpoint, read_data
from sepc.checkpoint.safe_pickle import load_pickle

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}
META = {"CLASSES": ("cat", "dog"), "epoch": 12, "time": "Mon", "best": np.float64(0.4)}


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("malicious",)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        OrderedDict(WEIGHTS),
        {"model": WEIGHTS},
        {"meta": META, "state_dict": OrderedDict(WEIGHTS), "optimizer": {"lr": 0.01}},
        {f"module.{name}": torch.nn.Parameter(x) for name, x in WEIGHTS.items()},
    ],
    ids=["plain", "ordered", "ours", "mmdetection", "parallel"],
)
def test_state_dicts(tmp_path, content, zipped):
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(tmp_path / "x.pth")
    torch.testing.assert_close(checkpoint.weights, WEIGHTS)
    assert not any(x.requires_grad for x in checkpoint.weights.values())
    assert checkpoint.meta == (META if "meta" in content else {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "expected a state dict, .* got a mapping"),
        ([1, 2], "expected a state dict, .* got list"),
        ({"state_dict": {}}, "expected a state dict"),
        ({"state_dict": {"a": 1}}, "expected tensors by name, got 'a': int"),
        ({3: torch.ones(1)}, "expected tensors by name, got 3: Tensor"),
    ],
)
def test_other_data(tmp_path, content, message):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=message):
        read_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\n<!DOCTYPE html><html>", "it is a web page"),
        (b"not a checkpoint", ""),
    ],
    ids=["empty", "page", "text"],
)
def test_other_files(tmp_path, suffix, content, message):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"x{suffix} is not a readable checkpoint: {message}"):
        read_checkpoint(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"checkpoint not found: .*x\.pth"):
        read_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_truncated(tmp_path, zipped, part):
    path = tmp_path / "x.pth"
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_of_torch_is_named_and_not_run(tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pth"
    torch.save({"state_dict": WEIGHTS, "meta": Malicious()}, path)
    with pytest.raises(ValueError, match=r"it asks for \w+\.mkdir, .* nothing of it was run"):
        read_checkpoint(path)
    assert not (tmp_path / "malicious").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_data(protocol):
    data = {
        "weights": [np.arange(6.0).reshape(2, 3), np.zeros((0, 2), np.int64), np.float32(3)],
        "tensors": (torch.arange(4), torch.nn.Parameter(torch.ones(2)), torch.ones(2).half()),
        "names": OrderedDict(a="b", c=None),
        "rest": [True, 1.5, b"bytes", {1, 2}, frozenset([3]), 1j, bytearray(b"x")],
    }
    loaded = load_pickle(io.BytesIO(pickle.dumps(data, protocol)))
    for found, expected in zip(loaded["weights"], data["weights"], strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)
    for found, expected in zip(loaded["tensors"], data["tensors"], strict=True):
        torch.testing.assert_close(found, expected)
    assert loaded["names"] == data["names"]
    assert loaded["rest"] == data["rest"]


def test_strings_of_python_2():
    assert load_pickle(io.BytesIO(b"(dS'blobs'\nS'\\xe9'\ns.")) == {"blobs": "\xe9"}


class Reduced:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def storage_with_code():
    """A storage as pickles of tensors have it: the bytes are a file of torch within the file."""
    inner = io.BytesIO()
    torch.save(Malicious(), inner, _use_new_zipfile_serialization=False)
    return Reduced(torch.storage._load_from_bytes, (inner.getvalue(),))


@pytest.mark.parametrize(
    ("item", "asked"),
    [
        (Malicious(), "mkdir"),
        (Reduced(eval, ("__import__('os').mkdir('malicious')",)), "eval"),
        (Reduced(getattr, ("text", "upper")), "getattr"),
        (random.Random(), "random.Random"),
        (np.random.default_rng(), "numpy.random"),
        (Reduced(codecs.encode, ("x", "zlib")), "codec"),
        (storage_with_code(), "not data|Weights only|GLOBAL"),
    ],
    ids=["mkdir", "eval", "getattr", "object", "numpy", "codec", "storage"],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_a_pickle_is_named_and_not_run(tmp_path, monkeypatch, item, asked, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"model": {"a": item}, "__author__": "me"}, protocol))
    with pytest.raises(ValueError, match=f"x.pkl is not a readable checkpoint: .*(?:{asked})"):
        read_data(path)
    assert not (tmp_path / "malicious").exists()


def test_hash_in_the_name(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"content")  # SHA-256 ed7002b4...
    for name in ("x.pth", "x-ed7002b4.pth", "https://host/x_epoch_12-ed7002b4.pth", "x-ed7.pth"):
        check_hash(path, name)
    with pytest.raises(ValueError, match="begins with 0123abcd, got ed7002b4"):
        check_hash(path, "x-0123abcd.pth")


@pytest.mark.parametrize("suffix", [".jpg", ".pth"])
def test_a_picture_is_told_without_advice_to_run_it(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)))
    with pytest.raises(ValueError, match=r"is not a readable checkpoint: it is not what torch"):
        read_data(path)
