"""COCO-format data sets in Detectron2's catalog.

Importing this module registers ``shapes_train`` and ``shapes_val``: a data set from
``tools/generate_data.py`` in the folder ``shapes`` under ``$DETECTRON2_DATASETS`` (``datasets`` if
that is not set), as Detectron2's own data sets are found. The variable is read at import. So are
``shapes_shifted_train`` and ``shapes_shifted_val``, of the folder ``shapes_shifted``.

One's own data: :func:`register_coco_folder` where the files have COCO's names, Detectron2's
``detectron2.data.datasets.register_coco_instances(name, {}, json_file, image_root)`` where they
have others.
"""

import difflib
import os
from collections.abc import Iterable, Sequence
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.utils.file_io import PathManager

from sepc.data.coco_layout import coco_files
from sepc.data.doctor import CocoSet
from sepc.data.validate import read_annotations, validate_coco

_KEYS = {False: "dataloader.train.dataset.names", True: "dataloader.test.dataset.names"}
_YAML_KEYS = {False: "DATASETS.TRAIN", True: "DATASETS.TEST"}


def register_coco_folder(name_prefix: str, folder: str | os.PathLike[str]) -> None:
    """Registers ``<name_prefix>_train`` and ``<name_prefix>_val``.

    Args:
        name_prefix: of the names in Detectron2's catalog.
        folder: in COCO's layout: ``annotations/instances_train2017.json``, ``train2017/``,
            ``annotations/instances_val2017.json``, ``val2017/``, or names without the year, see
            :func:`sepc.data.coco_layout.coco_files`. It is read when it is used.

    Raises:
        ValueError: if a name is taken by other data. The same folder again is fine.
    """
    for split in ("train", "val"):
        name = f"{name_prefix}_{split}"
        json_file, image_root = map(os.fspath, coco_files(folder, split))
        if name not in DatasetCatalog:
            register_coco_instances(name, {}, json_file, image_root)
            continue
        registered = MetadataCatalog.get(name).get("json_file")
        if not registered or os.path.abspath(registered) != os.path.abspath(json_file):
            raise ValueError(
                f"the data set {name} is registered already, with {registered}; "
                f"expected {json_file}"
            )


def find_sets(names: str | Iterable[str], *, evaluation: bool = False) -> list[CocoSet]:
    """Look registered data sets up in Detectron2's catalog.

    Data of other kinds than COCO's json, or on a remote file system, are looked up by name alone.

    Args:
        names: in Detectron2's catalog.
        evaluation: what they are for.

    Returns:
        those that can be checked.

    Raises:
        ValueError: for an unknown name; similar ones are listed.
    """
    sets = []
    for name in [names] if isinstance(names, str) else names:
        if name not in DatasetCatalog:
            near = difflib.get_close_matches(name, DatasetCatalog.list(), n=5, cutoff=0.4)
            raise ValueError(
                f"expected a registered data set, got {name!r}; "
                f"similar names: {', '.join(near) or 'none'}; "
                f"it is named by {_KEYS[evaluation]} (YAML: {_YAML_KEYS[evaluation]}), and "
                "registered by what the config file imports or calls (docs/own_data.md)"
            )
        metadata = MetadataCatalog.get(name)
        json_file, image_root = metadata.get("json_file"), metadata.get("image_root")
        if json_file and image_root and "://" not in f"{json_file} {image_root}":
            local = PathManager.get_local_path(json_file)
            sets.append(CocoSet(name, local, image_root, evaluation))
    return sets


def check_registered(names: str | Iterable[str], *, evaluation: bool = False) -> None:
    """Check the annotations of registered data sets before anything expensive starts.

    Args:
        names, evaluation: see :func:`find_sets`.

    Raises:
        ValueError: for an unknown name or a malformed file.
        FileNotFoundError: if a file, folder or image is missing.
    """
    for name, json_file, image_root, _ in find_sets(names, evaluation=evaluation):
        try:
            validate_coco(json_file, image_root, evaluation=evaluation)
        except (ValueError, FileNotFoundError) as error:
            raise type(error)(f"data set {name}: {error}") from error


def dataset_metadata(names: Sequence[str]) -> Any:
    """Metadata of the first data set; of one in COCO's format that was not loaded, its classes."""
    metadata = MetadataCatalog.get(names[0] if names else "__unused")
    json_file = metadata.get("json_file")
    known = metadata.get("thing_dataset_id_to_contiguous_id")
    if known or not json_file or not os.path.isfile(json_file):
        return metadata
    categories = read_annotations(json_file)["categories"]
    categories = sorted(categories, key=lambda c: c["id"])
    if not metadata.get("thing_classes"):
        metadata.thing_classes = [category["name"] for category in categories]
    metadata.thing_dataset_id_to_contiguous_id = {c["id"]: i for i, c in enumerate(categories)}
    return metadata


_SHAPES = [
    f"{marked} {outline}"
    for outline in ("circle", "square", "triangle", "star")
    for marked in ("dotted", "ringed", "barred")
]
for _name in ("shapes", "shapes_shifted"):
    register_coco_folder(_name, os.path.join(os.getenv("DETECTRON2_DATASETS", "datasets"), _name))
    for _split in ("train", "val"):
        # known without the data, so that a trained model can be shown without them
        MetadataCatalog.get(f"{_name}_{_split}").thing_classes = _SHAPES
