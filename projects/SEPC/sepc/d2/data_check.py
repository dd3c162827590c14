"""Check of all data that a config names, before a training or an evaluation depends on them."""

import os
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager
from omegaconf import DictConfig

from ..data.doctor import Diagnosis, diagnose
from ..data.rules import is_mask
from ..data.validate import read_json
from .datasets import find_sets
from .engine.setup import dataset_names


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


def diagnose_config(
    cfg: DictConfig, *, training: bool, show_progress: bool = True
) -> list[Diagnosis]:
    """Diagnose the data of a config: annotations, categories, classes, headers of all images.

    Args:
        cfg: a whole config.
        training: False for an evaluation, which reads the test set alone.
        show_progress: of reading the headers of many images.

    Raises:
        ValueError: for a data set that is not registered.
    """
    loaders, model = cfg.dataloader, cfg.model
    sets = find_sets(dataset_names(loaders.train)) if training else []
    sets += find_sets(dataset_names(loaders.get("test")), evaluation=True)
    return diagnose(
        sets,
        masks=_reads_masks(cfg),
        num_classes=model.get("num_classes", model.get("roi_heads", {}).get("num_classes")),
        show_progress=show_progress,
    )


def check_data(cfg: DictConfig, *, training: bool, show_progress: bool = True) -> None:
    """Check the data of a config before anything expensive starts.

    A detector without masks then reads boxes alone, where a segmentation would cost it a box.

    Args:
        cfg, training, show_progress: see :func:`diagnose_config`.

    Raises:
        ValueError: one line with each data set, file and what is wrong in it.
    """
    found = diagnose_config(cfg, training=training, show_progress=show_progress)
    if problems := [f"data set {x.data.name}: {line}" for x in found for line in x.problems]:
        raise ValueError("; ".join(problems))
    if _reads_masks(cfg):
        return
    for x in found:
        annotations = (x.content or {}).get("annotations", ())
        if not all(is_mask(a["segmentation"]) for a in annotations if a.get("segmentation")):
            read_boxes_alone(x.data.name)


def _reads_masks(cfg: DictConfig) -> bool:
    loaders = (cfg.dataloader.get("train"), cfg.dataloader.get("test"))
    return any(x.get("mapper", {}).get("use_instance_mask", False) for x in loaders if x)
