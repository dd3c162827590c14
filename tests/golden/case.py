"""A golden case: inputs made again from the manifest's recipe, and the reference's numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FUNCTIONS = {"abs": np.abs, "maximum": np.maximum, "minimum": np.minimum, "exp": np.exp}

# "A sensible bar is ten times the stated figure" (data/README.md).
BAR = 10.0
# Relative L2 norm by which float32 gradients may differ if rounding moves activations across a
# ReLU kink (data/README.md).
KINKS = 0.01


@dataclass(frozen=True)
class Case:
    """One entry of the manifest.

    Attributes:
        spec: the entry itself; ``spec["config"]`` is the reference's configuration.
        folder: where its ``.npz`` lies.
    """

    spec: dict[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        return self.spec["name"]

    @property
    def kind(self) -> str:
        return self.spec["kind"]

    @property
    def config(self) -> dict[str, Any]:
        return self.spec.get("config", {})

    @property
    def num_levels(self) -> int:
        return len(self.spec["level_sizes"])

    @cached_property
    def draws(self) -> dict[str, Tensor]:
        """Parameters and inputs, drawn in the manifest's order; checked against its sums."""
        rng = np.random.default_rng(self.spec["seed"])
        drawn = {}
        for draw in self.spec.get("draws", []):
            z = rng.standard_normal(tuple(draw["shape"]))
            names = {"__builtins__": {}, **_FUNCTIONS, "z": z}
            value = np.asarray(eval(draw["value"], names)).astype(np.float32)
            np.testing.assert_allclose(value.astype(np.float64).sum(), draw["sum"], rtol=1e-9)
            drawn[draw["name"]] = torch.from_numpy(value)
        return drawn

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        """The arrays stored with the case: the reference's results, and ready-made inputs."""
        with np.load(self.folder / self.spec["file"]) as stored:
            return {name: torch.from_numpy(stored[name]) for name in stored.files}

    def state_dict(self) -> dict[str, Tensor]:
        """The module's parameters and buffers under the reference's names."""
        return {
            name: self.draws[name] if name in self.draws else torch.zeros(shape, dtype=torch.long)
            for name, shape in self.spec["state_dict"]
        }

    def rounding(self, group: str | None = None) -> float:
        """The reference's own float32 rounding, for one group of its arrays."""
        stated = self.spec["float64_vs_float32"]
        return float(stated[group] if isinstance(stated, dict) else stated)

    def check(self, name: str, actual: Tensor, group: str | None = None) -> None:
        """``actual`` equals the stored array to ten roundings, relative to its largest value."""
        expected = self.arrays[name]
        bar = BAR * self.rounding(group) * max(expected.abs().max().item(), 1e-30)
        torch.testing.assert_close(
            actual.detach().to(expected.dtype),
            expected,
            rtol=0,
            atol=bar,
            msg=lambda message: f"{self.name}, {name}: {message}",
        )

    def check_l2(self, name: str, actual: Tensor, bar: float) -> None:
        """The same in the relative L2 norm, where single values may sit on a ReLU kink."""
        expected = self.arrays[name]
        error = (actual.detach() - expected).norm() / expected.norm()
        assert error < bar, f"{self.name}, {name}: relative L2 error {error}"


def load_cases(folder: Path) -> list[Case]:
    """All cases of a folder's manifest, whichever seeds and shapes it has."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return [Case(spec, folder) for spec in manifest["cases"]]
