"""Files of a data set in COCO's folder layout."""

import os
from pathlib import Path


def coco_files(folder: str | os.PathLike[str], split: str) -> tuple[Path, Path]:
    """Find annotation file and image folder of a part of a data set.

    COCO's names, ``annotations/instances_train2017.json`` and ``train2017/``, come first; without
    them, each is also found without the year, and the file without ``instances_``.

    Args:
        folder: of the data set.
        split: ``"train"`` or ``"val"``.

    Returns:
        their paths; those of COCO's names where none exists.
    """
    folder = Path(folder).expanduser()
    stems = (f"instances_{split}2017", f"instances_{split}", f"{split}2017", split)
    return (
        _first_existing([folder / "annotations" / f"{stem}.json" for stem in stems]),
        _first_existing([folder / f"{split}2017", folder / split]),
    )


def _first_existing(paths: list[Path]) -> Path:
    return next((path for path in paths if path.exists()), paths[0])
