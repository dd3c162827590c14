"""Checkpoints: written whole or not at all, and checked against the model when they are read."""

import os
from typing import Any
from urllib.parse import parse_qs

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.utils.file_io import PathManager

from ...checkpoint.reading import read_data
from ...checkpoint.report import some
from ...files import atomic_write
from .classes import find_other_classes


class Checkpointer(DetectionCheckpointer):
    """Detectron2's checkpointer with atomic files and strict loading.

    Call :meth:`save` in all processes: the state of the trainer may be gathered from them. Only
    the main process writes.
    """

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
        with atomic_write(path) as partial, partial.open("wb") as file:
            torch.save(data, file)
        self.tag_last_checkpoint(os.path.basename(path))

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Write the name of the newest checkpoint to ``{save_dir}/last_checkpoint``."""
        with atomic_write(os.path.join(self.save_dir, "last_checkpoint")) as partial:
            partial.write_text(last_filename_basename)

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
            ValueError: if the file is no checkpoint, a shape differs, nothing fits, or ``strict``
                is not met. The keys are named.
        """
        if not path:
            return {}
        self._strict, self._path, self._allow_other_classes = strict, path, allow_other_classes
        local = PathManager.get_local_path(path.partition("?")[0])
        if not os.path.isfile(local):
            raise FileNotFoundError(f"checkpoint not found: {path}")
        try:
            return super().load(path, checkpointables)
        finally:
            self._parsed_url_during_load = None

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
                "tools/convert_checkpoint.py makes one for this model of it"
            )
        loaded = data if "model" in data else {"model": data}
        queries = parse_qs(self._path.partition("?")[2])
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
