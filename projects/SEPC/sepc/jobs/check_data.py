"""Check data in COCO's format as a training does, and make a page of what is in them."""

import argparse
from pathlib import Path

from ..data.coco_layout import coco_files
from ..data.doctor import CocoSet, Diagnosis, diagnose
from ..program import exit_status


def sets_of_folder(folder: Path) -> list[CocoSet]:
    """Data sets of a folder in COCO's layout.

    Raises:
        FileNotFoundError: if it has none.
    """
    sets = []
    for split in ("train", "val"):
        file, images = coco_files(folder, split)
        if file.exists():
            sets.append(CocoSet(split, file, images, split == "val"))
    if not sets:
        raise FileNotFoundError(
            f"expected {folder}/annotations/instances_train2017.json or instances_val2017.json"
        )
    return sets


def examine(args: argparse.Namespace) -> list[Diagnosis]:
    if Path(args.source).is_dir():
        return diagnose(sets_of_folder(Path(args.source)))
    from ..d2.data_check import diagnose_config
    from ..d2.engine import load_config

    return diagnose_config(load_config(args.source, args.opts), training=True)


def run(args: argparse.Namespace) -> None:
    found = examine(args)
    for data, content, problems in found:
        amount = f"{len(content['images'])} images" if content else "can't be used"
        print(f"{data.name}: {amount}, {len(problems)} problem(s)")
        for line in problems:
            print("  " + line.replace("; ", "\n  "))
    if args.page:
        from ..report.data_page import write_data_page

        write_data_page(found, args.page)
        print(args.page)
    if any(x.problems for x in found):
        raise ValueError(f"{sum(len(x.problems) for x in found)} problem(s), see above")


def main(args: argparse.Namespace) -> int:
    return exit_status(lambda: run(args), ImportError)
