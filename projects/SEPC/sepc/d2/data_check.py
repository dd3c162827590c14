"""Check of all data that a config names, before a training or an evaluation depends on them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager
from omegaconf import DictConfig

from ..data.image_files import check_image_files
from ..data.validate import is_mask, read_json
from .datasets import check_registered
from .engine.setup import dataset_names

_NAMED = 5


def read_boxes_alone(name: str) -> None:
    """Have a registered COCO data set read without its segmentation.

    For detectors without masks: Detectron2's reader drops the box of an annotation whose polygons
    have no three points, which such a detector does not look at.

    Args:
        name: in Detectron2's catalog; its metadata name the annotation file and the image folder.
    """
    metadata = MetadataCatalog.get(name)
    json_file, image_root = metadata.json_file, metadata.image_root

    def read() -> list[dict[str, Any]]:
        content = read_json(Path(PathManager.get_local_path(json_file)))
        categories = sorted(content["categories"], key=lambda x: x["id"])
        classes = {x["id"]: index for index, x in enumerate(categories)}
        metadata.set(
            thing_classes=[x["name"] for x in categories],
            thing_dataset_id_to_contiguous_id=classes,
        )
        annotations: dict[int, list[dict[str, Any]]] = {x["id"]: [] for x in content["images"]}
        for x in content.get("annotations", ()):
            annotations[x["image_id"]].append(
                {
                    "iscrowd": int(x.get("iscrowd", 0)),
                    "bbox": x["bbox"],
                    "bbox_mode": BoxMode.XYWH_ABS,
                    "category_id": classes[x["category_id"]],
                }
            )
        return [
            {
                "file_name": os.path.join(image_root, x["file_name"]),
                "height": x["height"],
                "width": x["width"],
                "image_id": x["id"],
                "annotations": annotations[x["id"]],
            }
            for x in sorted(content["images"], key=lambda x: x["id"])
        ]

    DatasetCatalog.remove(name)
    DatasetCatalog.register(name, read)


def check_same_classes(contents: dict[str, dict[str, Any]], num_classes: int | None) -> None:
    """Check that data sets number the same categories alike, and the model has as many classes.

    Detectron2 numbers the categories of each file by itself, in the order of their ids: where two
    files differ in their lists, right detections count as wrong.

    Args:
        contents: of annotation files by the names of their data sets; the first is what the others
            are held against.
        num_classes: of the model, None if it is not known.

    Raises:
        ValueError: naming data sets, and categories by id and name.
    """
    classes = {
        name: [(x["id"], x["name"]) for x in sorted(content["categories"], key=lambda x: x["id"])]
        for name, content in contents.items()
    }
    (first, expected), *others = classes.items()
    for name, found in others:
        if [x[1] for x in found] != [x[1] for x in expected]:
            pairs = itertools.zip_longest(expected, found, fillvalue=("none", "none"))
            index, (theirs, ours) = next(
                (i, pair) for i, pair in enumerate(pairs) if pair[0][1] != pair[1][1]
            )
            raise ValueError(
                f"data sets {first} and {name} differ in their categories, which would be numbered "
                f"differently: class {index} is {_named(*theirs)} in {first} and {_named(*ours)} "
                f"in {name}; expected the same list of names in both files"
            )
    if num_classes is not None and num_classes != len(expected):
        some = ", ".join(itertools.starmap(_named, expected[:_NAMED]))
        raise ValueError(
            f"expected model.num_classes to be the number of categories of data set {first}, "
            f"{len(expected)} ({some}{', ...' * (len(expected) > _NAMED)}), got {num_classes}"
        )


def _named(number: object, name: str) -> str:
    return "missing" if number == "none" else f'{number} "{name}"'


def check_data(cfg: DictConfig, *, training: bool, show_progress: bool = True) -> None:
    """Check all data that a config trains and evaluates on, before anything expensive starts.

    Annotations, categories of the sets against each other and the model's classes, and the header
    of every image. A detector without masks then reads boxes alone.

    Args:
        cfg: a whole config.
        training: False for an evaluation, which reads the test set alone.
        show_progress: of reading the headers of many images.

    Raises:
        ValueError, FileNotFoundError: one line with the data set, the file and what is wrong in it.
    """
    loaders = cfg.dataloader
    masks = any(
        loader.get("mapper", {}).get("use_instance_mask", False)
        for loader in (loaders.get("train", {}), loaders.test)
    )
    names = dataset_names(loaders.train) if training else []
    contents = check_registered(names, masks=masks)
    contents |= check_registered(dataset_names(loaders.test), evaluation=True, masks=masks)
    if not contents:
        return
    model = cfg.model
    num_classes = model.get("num_classes", model.get("roi_heads", {}).get("num_classes"))
    check_same_classes(contents, num_classes)
    for name, content in contents.items():
        metadata = MetadataCatalog.get(name)
        try:
            check_image_files(
                content["images"],
                metadata.image_root,
                source=metadata.json_file,
                show_progress=show_progress,
            )
        except ValueError as error:
            raise ValueError(f"data set {name}: {error}") from error
        if not masks and not all(
            is_mask(annotation["segmentation"])
            for annotation in content.get("annotations", ())
            if annotation.get("segmentation")
        ):
            read_boxes_alone(name)
