"""Checkpoint files, of ours or of others, read without running code from them."""

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .digest import check_digest
from .safe_pickle import load_pickle, numpy_constructors

_REFUSED = re.compile(r"GLOBAL ([\w.]+)")
_HASH = re.compile(r"-([0-9a-f]{8})\.\w+$")


class Checkpoint(NamedTuple):
    """Content of a checkpoint that is used.

    Attributes:
        weights: names to tensors.
        meta: what mmdetection writes beside them: its config, the names of the classes and more;
            empty where there is none.
    """

    weights: dict[str, Tensor]
    meta: Mapping[str, Any]


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read the weights of a file: a state dict, by itself or under "state_dict" or "model".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint, is damaged, holds more than data, or its weights are not
            tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint not found: {path}")
    content = read_data(path)
    meta: Any = {}
    if isinstance(content, Mapping):
        meta = content.get("meta", {})
        content = next((content[x] for x in ("state_dict", "model") if x in content), content)
    if not isinstance(content, Mapping) or not content:
        raise ValueError(
            f"{path}: expected a state dict, by itself or under 'state_dict' or 'model', "
            f"got {_described(content)}"
        )
    weights = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"{path}: expected tensors by name, got {name!r}: {_described(value)}")
        weights[name] = value.detach()
    if all(name.startswith("module.") for name in weights):  # of DataParallel
        weights = {name.removeprefix("module."): value for name, value in weights.items()}
    return Checkpoint(weights, meta if isinstance(meta, Mapping) else {})


def read_data(path: str | os.PathLike[str]) -> Any:
    """Read a ``.pkl`` file or a file of ``torch.save`` that holds data and nothing else.

    What its writer noted of its content is checked first, see :mod:`.digest`.

    Raises:
        ValueError: if it is damaged, of another kind, or asks for code to be run.
    """
    path = Path(path)
    try:
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                return load_pickle(file)
        with path.open("rb") as file:
            is_archive = file.read(2) == b"PK"
        if is_archive:
            check_digest(path)
        with _numpy_allowed():
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes of its readers
        raise ValueError(f"{path} is not a readable checkpoint: {_reason(path, error)}") from error


def check_hash(path: str | os.PathLike[str], name: str) -> None:
    """Compare a file with the hash in its name, where it has one: ``...-e1725b92.pth``.

    Torchvision and mmdetection name their files so, by the first eight digits of the SHA-256.

    Args:
        path: of the file.
        name: its name, or the address it comes from.

    Raises:
        ValueError: if they differ.
    """
    match = _HASH.search(name)
    if match is None:
        return
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if not digest.startswith(match[1]):
        raise ValueError(
            f"{name} is incomplete or another file: "
            f"expected a SHA-256 that begins with {match[1]}, got {digest[:8]}"
        )


def _numpy_allowed() -> contextlib.AbstractContextManager[Any]:
    """Let ``weights_only`` take numpy's numbers, as mmdetection writes some."""
    constructors = numpy_constructors()
    names = {f"{x.__module__}.{x.__name__}": x for x in constructors}
    old = [(x, name.replace("numpy._core", "numpy.core")) for name, x in names.items()]
    return torch.serialization.safe_globals([*constructors, *old])


def _reason(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if not start:
        return "it is empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, not the file that the page offers"
    if refused := _REFUSED.search(str(error)):
        return (
            f"it asks for {refused[1]}, which is not data; nothing of it was run. "
            "Have its source save the state dict alone"
        )
    if "weights_only" in str(error):  # torch advises to run what the file holds
        return "it is not what torch or pickle write, or damaged"
    return str(error).partition("\n")[0] or type(error).__name__


def _described(value: object) -> str:
    if isinstance(value, Mapping):
        return f"a mapping with {sorted(map(str, value))[:5]}"
    return type(value).__name__
