"""Settings of a run of the quick start, its config, and the places of its files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sepc.data.validate import parse_json, read_results
from sepc.files import atomic_write

VARIANTS = ("pconv", "pconv_ibn", "sepc_lite", "sepc", "plain", "plain_gn")
#: The detector of the quick start, which learns fastest, and the channels of its pyramid: half of
#: those of its config make the training twice as fast.
DETECTOR, CHANNELS = "atss", 32
ITERATIONS = 600
#: Share of the training before the learning rate goes down. With seed 2, an unlucky one, AP50 was
#: 60.1, and 40.8 where the rate goes down from the start, as in the longer trainings of studies.
HOLD = 0.75
#: Where the plain head of a detector takes its norm.
PLAIN_NORM = {
    "retinanet": "model.head.norm",
    "fcos": "model.head.norm",
    "atss": "model.head.trunk.norm",
    "free_anchor": "model.head.norm",
    "fsaf": "model.head.trunk.norm",
    "fsaf_retinanet": "model.head.trunk.norm",
    "gfl": "model.head.trunk.norm",
}


def config_of(detector: str, variant: str) -> tuple[str, tuple[str, ...]]:
    """LazyConfig file, relative to the repository, and the overrides that choose the variant.

    Args:
        detector: as the files in ``configs/quickstart`` begin, such as "retinanet".
        variant: one of :data:`VARIANTS`.
    """
    plain = variant.startswith("plain")
    overrides: tuple[str, ...] = () if plain else (f"model.head.trunk.variant={variant}",)
    if variant == "sepc":
        overrides = ()
    elif variant == "plain_gn":
        overrides = (f"++{PLAIN_NORM[detector]}=GN",)
    return f"configs/quickstart/{detector}_{'plain' if plain else 'sepc'}.py", overrides


def override_of(key: str, value: object) -> str:
    """Write an override of a text, quoted for Hydra's grammar."""
    return f"{key}='" + str(value).replace("'", r"\'") + "'"


@dataclass(frozen=True)
class Settings:
    """Settings of one training.

    Args:
        data: folder with the data, in COCO's layout.
        output: folder of this run alone.
        variant: of the SEPC head; "plain" for the head of the library, "plain_gn" for that with GN.
        binding: "detectron2" or "torchvision".
        iterations: of training.
    """

    data: Path
    output: Path
    variant: str
    binding: str
    iterations: int

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(
                f"unknown variant: expected one of {list(VARIANTS)}, got {self.variant!r}"
            )
        if self.iterations < 1:
            raise ValueError(f"expected at least one iteration, got {self.iterations}")

    @property
    def config(self) -> tuple[str, tuple[str, ...]]:
        """LazyConfig file and overrides of the detector, see :func:`config_of`."""
        file, overrides = config_of(DETECTOR, self.variant)
        channels = f"model.backbone.out_channels={CHANNELS}"
        return file, (*overrides, channels, f"lr_multiplier.scheduler.lengths=[{HOLD},{1 - HOLD}]")

    @property
    def val_json(self) -> Path:
        return self.data / "annotations" / "instances_val2017.json"

    @property
    def val_images(self) -> Path:
        return self.data / "val2017"

    @property
    def metrics(self) -> Path:
        return self.output / "metrics.json"

    @property
    def results(self) -> Path:
        """Detections on the validation images, in COCO's results format."""
        return self.output / "inference" / "coco_instances_results.json"

    @property
    def weights(self) -> Path:
        return self.output / "model_final.pth"

    @property
    def onnx(self) -> Path:
        return self.output / "detector.onnx"

    @property
    def _finished(self) -> Path:
        return self.output / "finished.json"

    def claim(self) -> None:
        """Claim the output folder for this run, or check that it is this run's.

        Raises:
            ValueError: if the folder has a run with other settings.
            OSError: if it can't be written.
        """
        asked = self._as_text()
        path = self.output / "quickstart.json"
        try:
            found = parse_json(path)
        except FileNotFoundError:
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(asked, indent=2) + "\n")
            return
        if not isinstance(found, dict):
            raise ValueError(f"{path}: expected the settings of a run, got {str(found)[:80]!r}")
        different = [
            f"{key} {found.get(key)} (asked for: {asked[key]})"
            for key in asked
            if found.get(key) != asked[key]
        ]
        if different:
            raise ValueError(
                f"{self.output} holds a run with other settings: {', '.join(different)}. "
                "Choose another folder with --output, or move that one away"
            )

    def is_finished(self) -> bool:
        """Whether the training and its evaluation have been done."""
        return self._finished.is_file() and self.weights.is_file() and self.results.is_file()

    def mark_finished(self, metrics: dict[str, float]) -> None:
        with atomic_write(self._finished) as partial:
            partial.write_text(json.dumps(metrics, indent=2) + "\n")

    def load_results(self) -> list[dict[str, Any]]:
        return read_results(self.results)

    def _as_text(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        del fields["output"]
        return {**fields, "data": str(self.data)}
