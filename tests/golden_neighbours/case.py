"""A golden case of a neighbouring method: its inputs, and the reference's numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One entry of the manifest.

    Attributes:
        spec: the entry itself; ``spec["config"]`` is the reference's configuration.
        facts: what the manifest tells of all cases.
        folder: where its files lie.
    """

    spec: dict[str, Any]
    facts: dict[str, Any]
    folder: Path

    @property
    def id(self) -> str:
        return self.spec["id"]

    @property
    def kind(self) -> str:
        return self.spec["kind"]

    @property
    def config(self) -> dict[str, Any]:
        return self.spec.get("config", {})

    @cached_property
    def arrays(self) -> Arrays:
        """The arrays stored with the case (``file``)."""
        return self.load(self.spec["file"])

    @cached_property
    def inputs(self) -> Arrays:
        """The arrays of the files that it shares with other cases (``inputs``)."""
        files = [self.load(name) for name in self.spec.get("inputs", [])]
        return {name: value for arrays in files for name, value in arrays.items()}

    def load(self, name: str) -> Any:
        """The content of one file of the folder: arrays by name, or what a json holds."""
        path = self.folder / name
        if path.suffix == ".json":
            return json.loads(path.read_text())
        with np.load(path) as stored:
            return {key: stored[key] for key in stored.files}


def load_cases(folder: Path) -> list[Case]:
    """All cases of a folder's manifest, whichever seeds and shapes they have."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return [Case(spec, manifest["facts"], folder) for spec in manifest["cases"]]
