"""Checkpoints: damaged files of every kind, and pickles that ask for code to be run."""

import pickle
import random
from collections import OrderedDict

import numpy as np
import pytest
import torch

from sepc.checkpoint.reading import read_checkpoint

from .mutations import damaged_bytes
from .outcome import check

WEIGHTS = {"head.weight": torch.arange(12.0).reshape(3, 4), "head.bias": torch.ones(3)}
CONTENTS = (WEIGHTS, {"model": OrderedDict(WEIGHTS), "meta": {"epoch": np.float64(3)}})
CALLS = ("posix system", "builtins eval", "builtins exec", "builtins getattr", "os popen")
CALLS += ("numpy.testing._private.utils runstring", "torch.hub load", "codecs decode", "sys exit")


def hostile(call: str, marker: str, protocol: int) -> bytes:
    """Pickle that calls a function on a text which would make a file."""
    module, name = call.split()
    command = f"__import__('os').system('touch {marker}')" if "eval" in call else f"touch {marker}"
    function = f"c{module}\n{name}\n".encode()
    if protocol == 4:
        parts = (pickle.SHORT_BINUNICODE + bytes([len(x)]) + x.encode() for x in (module, name))
        function = b"\x80\x04" + b"".join(parts) + pickle.STACK_GLOBAL
    return function + f"(V{command}\ntR.".encode()


@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
def test_damaged_and_hostile_checkpoints(suffix, tmp_path):
    path, marker = tmp_path / f"c{suffix}", tmp_path / "marker"
    good = []
    for content in CONTENTS:
        for zipped in (True, False):
            torch.save(content, path, _use_new_zipfile_serialization=zipped)
            good.append(path.read_bytes())
    arrays = {"model": {name: value.numpy() for name, value in WEIGHTS.items()}}
    good += [pickle.dumps(arrays, protocol) for protocol in (2, 4)]

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            call = hostile(rng.choice(CALLS), str(marker), rng.choice((2, 4)))
            return call if rng.random() < 0.5 else rng.choice(good)[:-1] + call
        return damaged_bytes(rng.choice(good), rng)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_checkpoint(path)

    check(read, make)
    assert not marker.exists()
