"""Places of the files of a training."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..calibration import ScoreCalibration
from ..data.validate import read_annotations, read_results


@dataclass(frozen=True)
class Run:
    """Output folder of a training, and the data that it was evaluated on where they are known.

    Args:
        folder: as `train_net.py` or the quick start leaves it.
        annotations: COCO's instance annotations of the evaluation.
        images: the folder that the file names in them are relative to.
        results: detections on these images, in COCO's results format.
        calibration: of their scores; None takes them as they are.

    The first three are found by themselves where the training has noted its data, in
    ``results.json``; results are looked for in ``inference/coco_instances_results.json``.

    Raises:
        FileNotFoundError: without the folder, or if a file that was named does not exist.
    """

    folder: Path
    annotations: Path | None = None
    images: Path | None = None
    results: Path | None = None
    calibration: ScoreCalibration | None = None

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise FileNotFoundError(f"the folder of a training {self.folder} does not exist")
        for path in (self.annotations, self.images, self.results):
            if path is not None and not path.exists():
                raise FileNotFoundError(f"{path} does not exist")
        data = self.quickstart().get("data")
        noted = read_object(self.folder / "results.json").get("data")
        found = {"results": self.folder / "inference" / "coco_instances_results.json"}
        if isinstance(data, str):
            found["annotations"] = Path(data) / "annotations" / "instances_val2017.json"
            found["images"] = Path(data) / "val2017"
        elif isinstance(noted, dict):
            found |= {
                k: Path(noted[k])
                for k in ("annotations", "images")
                if isinstance(noted.get(k), str)
            }
        for name, path in found.items():
            if getattr(self, name) is None and path.exists():
                object.__setattr__(self, name, path)

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    def quickstart(self) -> dict[str, Any]:
        """Settings of a quick start, empty for another training."""
        return read_object(self.folder / "quickstart.json")

    def load_annotations(self) -> dict[str, Any]:
        """Read COCO's annotations; ValueError if they are not known or of another format."""
        if self.annotations is None or self.images is None:
            raise ValueError(
                f"{self.folder}: the data of the evaluation are not known; expected "
                "--annotations FILE and --images FOLDER"
            )
        return read_annotations(self.annotations)

    def load_results(self) -> list[dict[str, Any]]:
        """Read the detections; ValueError if there are none, or of another format."""
        if self.results is None:
            raise ValueError(
                f"{self.folder} has no inference/coco_instances_results.json; expected "
                "--results FILE (train_net.py writes it with "
                "+dataloader.evaluator.output_dir=FOLDER)"
            )
        results = read_results(self.results)
        return results if self.calibration is None else self.calibration.apply(results)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object, empty where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
