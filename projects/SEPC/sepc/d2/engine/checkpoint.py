"""Checkpoints: written whole or not at all, and checked against the model when they are read."""

import os
import re
import shutil
import tempfile
from typing import Any
from urllib.parse import parse_qs

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import hooks
from fvcore.common.checkpoint import Checkpointer as PlainCheckpointer

from ...checkpoint.reading import read_data
from ...checkpoint.report import some
from ...checkpoint.writing import write_data
from ...files import atomic_write
from .classes import find_other_classes

_NAME = re.compile(r"model_(\d{7}|final)\.pth")  # of what a training saves


class Checkpointer(DetectionCheckpointer):
    """Detectron2's checkpointer with atomic files, a digest in each, and strict loading.

    Call :meth:`save` in all processes: the state of the trainer may be gathered from them. Only
    the main process writes. A ``save_dir`` with a prefix that ``path_manager`` has a handler for is
    written through it; what becomes of an interrupted write is then up to the handler.
    """

    _path = "the checkpoint"
    _strict = False
    _allow_other_classes = False

    def save(self, name: str, **kwargs: Any) -> None:
        """Write model and checkpointables to ``{save_dir}/{name}.pth`` and mark it as the last.

        Raises:
            OSError: if the file cannot be written; the previous checkpoint then stays the last.
        """
        if not self.save_dir:
            return
        data = {"model": self.model.state_dict()}
        data.update({key: obj.state_dict() for key, obj in self.checkpointables.items()})
        data.update(kwargs)
        if not self.save_to_disk:
            return
        path = os.path.join(self.save_dir, f"{name}.pth")
        self.logger.info(f"Saving checkpoint to {path}")
        if self._has_handler(path):
            self._upload(data, path)
        else:
            write_data(data, path)
        self.tag_last_checkpoint(os.path.basename(path))

    def _has_handler(self, path: str) -> bool:
        return any(path.startswith(prefix) for prefix in self.path_manager._path_handlers)

    def _upload(self, data: dict[str, Any], path: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            local = os.path.join(folder, "whole.pth")
            write_data(data, local)
            with open(local, "rb") as source, self.path_manager.open(path, "wb") as target:
                shutil.copyfileobj(source, target)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Write the name of the newest checkpoint to ``{save_dir}/last_checkpoint``."""
        path = os.path.join(self.save_dir, "last_checkpoint")
        if self._has_handler(path):
            super().tag_last_checkpoint(last_filename_basename)
            return
        with atomic_write(path) as partial:
            partial.write_text(last_filename_basename)

    def get_checkpoint_file(self) -> str:
        """Path of the newest checkpoint; empty where ``{save_dir}/last_checkpoint`` is missing.

        Raises:
            ValueError: if ``last_checkpoint`` holds anything but the name of a file beside it.
        """
        path = os.path.join(self.save_dir, "last_checkpoint")
        if not self.path_manager.exists(path):
            return ""
        with self.path_manager.open(path, "r", encoding="utf-8", errors="replace") as file:
            name = file.read(4096).strip()
        if not name.isprintable() or name in ("", ".", "..") or re.search(r"[/\\]", name):
            raise ValueError(f"{path}: expected the name of a file in its folder, got {name!r}")
        return os.path.join(self.save_dir, name)

    def saved_names(self) -> list[str]:
        """Names of the checkpoints of trainings in ``save_dir``, oldest first."""
        files = self.get_all_checkpoint_files() if self.path_manager.isdir(self.save_dir) else []
        names = [name for name in map(os.path.basename, files) if _NAME.fullmatch(name)]
        return sorted(names)  # by iteration, and the final one last

    def load(
        self,
        path: str,
        checkpointables: list[str] | None = None,
        *,
        strict: bool = False,
        allow_other_classes: bool = False,
    ) -> dict[str, Any]:
        """Load the model and the named checkpointables (None: all) from ``path``.

        Args:
            path: a file or an address that Detectron2 knows (``detectron2://``, ``https://``);
                empty: load nothing.
            checkpointables: see fvcore's ``Checkpointer``.
            strict: whether every key of the model must come from the file and every key of the
                file must fit. Otherwise a part is enough, such as a backbone for a detector.
            allow_other_classes: keep the model's own class predictors, with a warning, where the
                file has some for another number of classes.

        Returns:
            what the file holds besides.

        Raises:
            FileNotFoundError: if there is no such file.
            OSError: if it can't be downloaded; names what to set for a file at hand.
            ValueError: if the file is no checkpoint, a shape differs, nothing fits, or ``strict``
                is not met. The keys are named.
        """
        if not path:
            return {}
        self._strict, self._path, self._allow_other_classes = strict, path, allow_other_classes
        local = path  # even with a "?" in it
        if not os.path.isfile(local):
            local = self._fetch(path.partition("?")[0])
        if not os.path.isfile(local):
            raise FileNotFoundError(f"checkpoint not found: {path}")
        # Detectron2's own load takes a path for an address, and so apart
        return PlainCheckpointer.load(self, local, checkpointables)

    def _fetch(self, path: str) -> str:
        """Local path of a file, downloaded if it is an address."""
        try:
            return self.path_manager.get_local_path(path)
        except (OSError, AssertionError, ValueError) as error:
            if "://" not in path:
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise OSError(
                f"cannot download {path}: {reason}; with the file on this machine: "
                "train.init_checkpoint=FILE (YAML: MODEL.WEIGHTS FILE)"
            ) from error

    def _load_file(self, filename: str) -> dict[str, Any]:
        """Read a file of Detectron2's formats as data alone: unlike there, no pickle runs code."""
        data = read_data(filename)
        if not isinstance(data, dict):
            raise ValueError(f"{filename}: expected a dict of weights, got {type(data).__name__}")
        if filename.endswith(".pkl"):
            return data if "model" in data and "__author__" in data else _of_caffe2(data)
        if filename.endswith(".pyth"):
            return _of_pycls(data, filename)
        if "model" not in data and "state_dict" in data:
            raise ValueError(
                f"{filename} looks like a checkpoint of mmdetection: "
                "tools/convert_checkpoint.py (sepc convert) makes one for this model of it"
            )
        loaded = data if "model" in data else {"model": data}
        queries = {} if filename == self._path else parse_qs(self._path.partition("?")[2])
        if queries.pop("matching_heuristics", ["False"]) == ["True"]:
            loaded["matching_heuristics"] = True
        if queries:
            raise ValueError(f"{self._path}: expected ?matching_heuristics=True, got {queries}")
        return loaded

    def _load_model(self, checkpoint: dict[str, Any]) -> Any:
        incompatible = super()._load_model(checkpoint)
        if self._allow_other_classes:
            incompatible = self._with_own_class_predictors(incompatible)
        shapes = [
            f"{key}: expected {tuple(expected)}, got {tuple(got)}"
            for key, got, expected in incompatible.incorrect_shapes
        ]
        if shapes:
            raise ValueError(f"{self._path} has other shapes than the model: {some(shapes, '; ')}")
        # The number of batches seen means nothing at a fixed momentum; converters drop it.
        missing = [k for k in incompatible.missing_keys if not k.endswith("num_batches_tracked")]
        if {name for name, _ in self.model.named_parameters()} <= set(missing):
            raise ValueError(
                f"{self._path} has no weight of this model; "
                f"expected keys such as {some(missing[:3], '; ')}"
            )
        if self._strict and (missing or incompatible.unexpected_keys):
            raise ValueError(
                f"{self._path} is not a checkpoint of this model: "
                f"missing keys: {some(missing, '; ')}; "
                f"unexpected keys: {some(incompatible.unexpected_keys, '; ')}"
            )
        return incompatible

    def _with_own_class_predictors(self, incompatible: Any) -> Any:
        """Excuse class predictors for another number of classes: they keep their own weights."""
        found = find_other_classes(self.model, incompatible.incorrect_shapes)
        if found is None:
            return incompatible
        self.logger.warning(
            f"{self._path} was trained on {found.before} classes, the model has {found.now}: "
            f"its class predictors start anew ({', '.join(found.keys)}), all else is kept"
        )
        missing = [key for key in incompatible.missing_keys if key not in found.keys]
        return incompatible._replace(missing_keys=missing, incorrect_shapes=[])


class PeriodicCheckpointer(hooks.PeriodicCheckpointer):
    """Detectron2's hook, whose ``max_to_keep`` also counts what was saved before a resume."""

    def before_train(self) -> None:
        """Find the checkpoints of the iterations before, and remove the oldest of too many."""
        super().before_train()
        if self.max_to_keep is None:
            return
        last = f"model_{self.trainer.start_iter:07d}.pth"
        found = [name for name in self.checkpointer.saved_names() if name < last]
        folder = self.checkpointer.save_dir
        self.recent_checkpoints = [os.path.join(folder, name) for name in found]
        while len(self.recent_checkpoints) > self.max_to_keep:
            self.path_manager.rm(self.recent_checkpoints.pop(0))


def _of_caffe2(data: dict[str, Any]) -> dict[str, Any]:
    """Weights of a file in Caffe2's format; its ImageNet models have no "blobs"."""
    blobs = data.get("blobs", data)
    weights = {key: value for key, value in blobs.items() if not key.endswith("_momentum")}
    return {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}


def _of_pycls(data: dict[str, Any], filename: str) -> dict[str, Any]:
    if "model_state" not in data:
        raise ValueError(f"{filename}: expected 'model_state' in a .pyth file, got {sorted(data)}")
    weights = {k: v for k, v in data["model_state"].items() if not k.endswith("batches_tracked")}
    return {"model": weights, "__author__": "pycls", "matching_heuristics": True}
