#!/usr/bin/env python
"""Check data in COCO's format as a training does, and make a page of what is in them.

    python tools/check_data.py datasets/my_data
    python tools/check_data.py configs/my_data/retinanet_sepc_lite.py --page data.html

A folder has COCO's layout: `annotations/instances_train2017.json` and `train2017/`, the same for
`val`, or one of both; names without 2017 are found, too. A config names its data sets, and they
are held against its model as well. Exit status 2 where something is wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sepc.data.coco_layout import coco_files
from sepc.data.doctor import CocoSet, Diagnosis, diagnose
from sepc.program import exit_status


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="FOLDER|CONFIG", help="the data, or who names them")
    parser.add_argument("--page", type=Path, metavar="FILE", help="HTML page to write")
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    return parser.parse_intermixed_args(argv)


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
    from sepc.d2.data_check import diagnose_config
    from sepc.d2.engine import load_config

    return diagnose_config(load_config(args.source, args.opts), training=True)


def run(args: argparse.Namespace) -> None:
    found = examine(args)
    for data, content, problems in found:
        amount = f"{len(content['images'])} images" if content else "can't be used"
        print(f"{data.name}: {amount}, {len(problems)} problem(s)")
        for line in problems:
            print("  " + line.replace("; ", "\n  "))
    if args.page:
        from sepc.report.data_page import write_data_page

        write_data_page(found, args.page)
        print(args.page)
    if any(x.problems for x in found):
        raise ValueError(f"{sum(len(x.problems) for x in found)} problem(s), see above")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: run(args), ImportError)


if __name__ == "__main__":
    sys.exit(main())
