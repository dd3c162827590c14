"""Data set in COCO's format that is held in memory."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sepc.data.validate import read_annotations
from sepc.export.preprocess import read_image


class CocoImages:
    """A small data set in COCO's format, in memory.

    Args:
        json_path, folder: annotations and images.

    Attributes:
        ids: image ids.
        images: uint8 RGB (3, H, W).
        targets: ``boxes`` (M, 4) and ``labels`` (M,), 0 to K - 1; crowd regions are left out.
        category_ids: by label.
    """

    def __init__(self, json_path: Path, folder: Path) -> None:
        content = read_annotations(json_path)
        self.category_ids = sorted(category["id"] for category in content["categories"])
        names = {category["id"]: category["name"] for category in content["categories"]}
        self.class_names = [names[i] for i in self.category_ids]
        self.ids = [entry["id"] for entry in content["images"]]
        self.images = [_read_rgb(folder / entry["file_name"]) for entry in content["images"]]
        by_image: dict[int, list[dict[str, Any]]] = {i: [] for i in self.ids}
        for annotation in content["annotations"]:
            if not annotation.get("iscrowd"):
                by_image[annotation["image_id"]].append(annotation)
        self.targets = [self._target(by_image[i]) for i in self.ids]

    def _target(self, annotations: list[dict[str, Any]]) -> dict[str, Tensor]:
        boxes = torch.tensor([a["bbox"] for a in annotations], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = [self.category_ids.index(a["category_id"]) for a in annotations]
        return {"boxes": boxes, "labels": torch.tensor(labels, dtype=torch.int64)}

    def batch(
        self, iteration: int, size: int, seed: int
    ) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Batch of an iteration, half of it mirrored; the same one whenever asked."""
        generator = torch.Generator().manual_seed(seed + iteration)
        images, targets = [], []
        for position in range(iteration * size, (iteration + 1) * size):
            epoch, place = divmod(position, len(self.ids))
            index = _shuffled(len(self.ids), seed + epoch)[place]
            image, target = self.images[index].float() / 255, self.targets[index]
            if torch.rand((), generator=generator) < 0.5:
                image = image.flip(-1)
                x1, y1, x2, y2 = target["boxes"].unbind(dim=1)
                width = image.shape[-1]
                flipped = torch.stack((width - x2, y1, width - x1, y2), dim=1)
                target = {**target, "boxes": flipped}
            images.append(image)
            targets.append(target)
        return images, targets


@lru_cache(maxsize=2)
def _shuffled(count: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator).tolist()


def _read_rgb(path: Path) -> Tensor:
    return torch.from_numpy(read_image(path)[..., ::-1].transpose(2, 0, 1).copy())
