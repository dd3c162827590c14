#!/usr/bin/env python
"""Generate a detection data set in COCO's folder layout.

    python tools/generate_data.py datasets/shapes --train 800 --val 200 --size 128

With ``--categories coco`` it stands in for COCO itself: generated into ``<parent>/coco``, every
configuration that asks for ``coco_2017_train`` runs with ``DETECTRON2_DATASETS=<parent>``.

With ``--shift`` the same scenes look as another camera might show them (less contrast, a cast of
color, blur, noise). In ``<parent>/shapes_shifted`` they are found as ``shapes_shifted_train`` and
``shapes_shifted_val``:

    python tools/generate_data.py datasets/shapes_shifted --shift
"""

import argparse
import sys
from pathlib import Path

from sepc.program import exit_status

sys.path.append(str(Path(__file__).resolve().parents[1]))
from quickstart.data import SHIFTS, write_dataset  # beside the package


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="where to put the data set")
    parser.add_argument("--train", type=int, default=800, help="images to train on (800)")
    parser.add_argument("--val", type=int, default=200, help="images to evaluate on (200)")
    parser.add_argument(
        "--size",
        type=int,
        nargs="+",
        default=[128],
        metavar="PIXELS",
        help="edge of square images, or height and width (128)",
    )
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other scenes (0)")
    parser.add_argument(
        "--categories",
        choices=("shapes", "coco"),
        default="shapes",
        help="the shapes themselves, or COCO's 80 categories with shapes in some of their places",
    )
    parser.add_argument(
        "--shift",
        nargs="*",
        metavar="NAME",
        help=f"how the images are changed, some of {', '.join(SHIFTS)}; without a name, all",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a data set of other settings"
    )
    options = parser.parse_args(arguments)
    if len(options.size) > 2:
        parser.error("--size takes one or two numbers")
    return exit_status(lambda: run(options))


def run(options: argparse.Namespace) -> None:
    written = write_dataset(
        options.folder,
        train_images=options.train,
        val_images=options.val,
        image_size=(options.size[0], options.size[-1]),
        seed=options.seed,
        categories=options.categories,
        shifts=list(SHIFTS) if options.shift == [] else options.shift or [],
        overwrite=options.overwrite,
    )
    print(f"{options.folder}: {'written' if written else 'there already, nothing to do'}")


if __name__ == "__main__":
    sys.exit(main())
