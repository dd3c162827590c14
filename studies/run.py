"""Description of one training of a study."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One training with train_net.py.

    Args:
        labels: what the tables name it by, such as ``{"detector": "fcos", "head": "sepc"}``.
        config: LazyConfig file, relative to the repository.
        seed: of weights, shuffle and augmentation.
        overrides: ``key=value`` for the config; ``{output}`` stands for the folder of the study.
        processes: that train together, each on its share of the batch.
    """

    labels: Mapping[str, str] = field(hash=False)
    config: str
    seed: int
    overrides: tuple[str, ...] = field(default=())
    processes: int = 1

    @property
    def name(self) -> str:
        """Name of the run's folder; no two runs of a study share it."""
        return "-".join([*self.labels.values(), f"seed{self.seed}"])

    def as_dict(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        return {**fields, "labels": dict(self.labels), "overrides": list(self.overrides)}


def training_overrides(iterations: int) -> tuple[str, ...]:
    """Overrides of a run that is evaluated once, at its end."""
    return (
        f"train.max_iter={iterations}",
        f"train.eval_period={iterations}",
        "train.checkpointer.period=250",
        "train.checkpointer.max_to_keep=1",
    )
