"""What a training notes of its data: class names for whoever uses the weights, and paths."""

import logging
import os
from collections.abc import Mapping
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.catalog import Metadata
from detectron2.data.datasets import register_coco_instances
from omegaconf import Container, DictConfig, OmegaConf

from ..datasets import dataset_metadata
from .setup import dataset_names

logger = logging.getLogger(__name__)

_PATHS = ("json_file", "image_root")


def paths_of(cfg: DictConfig) -> dict[str, dict[str, str]]:
    """Find annotation file and image folder of each data set of a config that has them.

    Paths of this machine are absolute, so that they are found from any folder.
    """
    loaders = (cfg.dataloader.get("train"), cfg.dataloader.get("test"))
    found = {}
    for name in [name for loader in loaders for name in dataset_names(loader)]:
        paths: dict[str, Any] = {key: MetadataCatalog.get(name).get(key) for key in _PATHS}
        if all(paths.values()):
            texts = {key: os.fspath(paths[key]) for key in _PATHS}
            found[name] = {k: v if "://" in v else os.path.abspath(v) for k, v in texts.items()}
    return found


def register_noted(cfg: DictConfig) -> None:
    """Register the data sets that ``datasets`` of a config names and nothing else has.

    A saved config notes those of its training. A name that is registered already keeps its files,
    which a warning tells where both are there.

    Raises:
        ValueError: if a note is no pair of paths.
    """
    noted = cfg.get("datasets") or {}
    noted = OmegaConf.to_container(noted) if isinstance(noted, Container) else noted
    if not isinstance(noted, dict):
        raise ValueError(f"datasets: expected paths by the names of data sets, got {noted!r}")
    for name, paths in noted.items():
        values = paths if isinstance(paths, dict) else {}
        given = [values[key] for key in _PATHS if isinstance(values.get(key), str)]
        if len(given) != len(_PATHS):
            expected = " and ".join(_PATHS)
            raise ValueError(f"datasets.{name!s}: expected {expected}, got {paths!r}")
        if name not in DatasetCatalog:
            register_coco_instances(name, {}, *given)
            continue
        used = MetadataCatalog.get(name).get("json_file")
        if used and os.path.exists(given[0]) and os.path.abspath(used) != os.path.abspath(given[0]):
            logger.warning(
                f"datasets.{name!s}: {used} is used, which has this name; not {given[0]}"
            )


class DataNote:
    """Class names, category ids and paths of the data, as a checkpoint keeps them.

    Args:
        cfg: a whole config, whose data sets are registered.
    """

    def __init__(self, cfg: DictConfig) -> None:
        loaders = cfg.dataloader
        names = dataset_names(loaders.get("train")) or dataset_names(loaders.get("test"))
        self._names, self._paths = names, paths_of(cfg)

    def state_dict(self) -> dict[str, Any]:
        """Plain data; what is not known is empty."""
        metadata = dataset_metadata(self._names)
        by_id = metadata.get("thing_dataset_id_to_contiguous_id") or {}
        return {
            "class_names": list(metadata.get("thing_classes") or []),
            "category_ids": sorted(by_id, key=by_id.__getitem__),
            "datasets": self._paths,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing: a training that goes on has its data from the config."""


def noted_metadata(metadata: Any, note: Any) -> Any:
    """Detectron2's metadata with the class names that a checkpoint notes.

    Args:
        metadata: of the data set of a config.
        note: of the checkpoint, see :class:`DataNote`; None, of another writer, notes nothing.

    Returns:
        ``metadata`` itself where the note has no names, or the same.
    """
    names = note.get("class_names") if isinstance(note, Mapping) else None
    if not names or list(metadata.get("thing_classes") or []) == names:
        return metadata
    ids = {category: index for index, category in enumerate(note.get("category_ids") or [])}
    return Metadata(thing_classes=list(names), thing_dataset_id_to_contiguous_id=ids)
