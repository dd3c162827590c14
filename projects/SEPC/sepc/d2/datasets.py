"""COCO-format data sets in Detectron2's catalog.

Importing this module registers what lies under ``$DETECTRON2_DATASETS`` (``datasets`` if that is
not set), as Detectron2's own data sets are found. The variable is read at import. Each folder is in
COCO's layout and makes two names, such as ``shapes_train`` and ``shapes_val``:

- ``shapes``, ``shapes_shifted`` (as another camera shows them), ``shapes_wide`` (objects of other
  sizes): generated data, see ``tools/generate_data.py``;
- ``bccd``: blood cells, https://github.com/Shenggan/BCCD_Dataset.

One's own data: :func:`register_coco_folder` where the files have COCO's names,
``dataloader.coco_files`` of the config where they have others, see :func:`register_coco_files`.
"""

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.utils.file_io import PathManager

from sepc.data.doctor import CocoSet
from sepc.data.validate import validate_coco


def register_coco_folder(name_prefix: str, folder: str | os.PathLike[str]) -> None:
    """Registers ``<name_prefix>_train`` and ``<name_prefix>_val``.

    Args:
        name_prefix: of the names in Detectron2's catalog.
        folder: in COCO's layout: ``annotations/instances_train2017.json``, ``train2017/``,
            ``annotations/instances_val2017.json``, ``val2017/``. It is read when it is used.

    Raises:
        ValueError: if a name is taken by other data. The same folder again is fine.
    """
    folder = os.path.expanduser(folder)
    for split in ("train", "val"):
        name = f"{name_prefix}_{split}"
        json_file = os.path.join(folder, "annotations", f"instances_{split}2017.json")
        _register(name, json_file, os.path.join(folder, f"{split}2017"))


def register_coco_files(files: Mapping[str, Sequence[str]]) -> None:
    """Registers data sets by their files: ``dataloader.coco_files`` of a config.

    Args:
        files: name in Detectron2's catalog to the annotations in COCO's format and the folder of
            the images. They are read when they are used.

    Raises:
        ValueError: for other than two texts, or if a name is taken by other data.
    """
    if not isinstance(files, Mapping):
        raise ValueError(f"dataloader.coco_files: expected [JSON, FOLDER] by name, got {files!r}")
    for name, pair in files.items():
        texts = isinstance(pair, Sequence) and all(isinstance(x, str) for x in pair)
        if not texts or isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"dataloader.coco_files.{name}: expected [JSON, FOLDER], got {pair!r}")
        _register(name, *map(os.path.expanduser, pair))


def _register(name: str, json_file: str, image_root: str) -> None:
    if name not in DatasetCatalog:
        register_coco_instances(name, {}, json_file, image_root)
        return
    metadata = MetadataCatalog.get(name)
    found = metadata.get("json_file"), metadata.get("image_root")
    if found != (json_file, image_root):
        raise ValueError(
            f"the data set {name} is registered already, with {found[0]} and {found[1]}; "
            f"expected {json_file} and {image_root}"
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
                f"similar names: {', '.join(near) or 'none'}"
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


_root = os.getenv("DETECTRON2_DATASETS", "datasets")
register_coco_folder("bccd", os.path.join(_root, "bccd"))
_SHAPES = [
    f"{marked} {outline}"
    for outline in ("circle", "square", "triangle", "star")
    for marked in ("dotted", "ringed", "barred")
]
for _name in ("shapes", "shapes_shifted", "shapes_wide"):
    register_coco_folder(_name, os.path.join(_root, _name))
    for _split in ("train", "val"):
        # known without the data, so that a trained model can be shown without them
        MetadataCatalog.get(f"{_name}_{_split}").thing_classes = _SHAPES
