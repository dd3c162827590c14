"""Table of docs/MODEL_ZOO.md, made from the configs themselves.

    python -m dev.model_table                   # count, and write the table into that page
    python -m dev.model_table --check           # fail where a config and its row disagree
    python -m dev.model_table CONFIG [CONFIG..] # print these rows, of any config

Parameters and FLOPs are counted on the CPU, without weights or data: see `dev.complexity` for
what counts as a FLOP and how deformable convolution is counted. The check compares parameters and
which configs there are. Published AP is box AP on COCO val 2017, from `published_ap.json`.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from detectron2.config import instantiate

from dev.complexity import count_flops, count_parameters
from dev.sections import read_section, write_section
from sepc.d2.engine import load_config
from sepc.program import exit_status

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "MODEL_ZOO.md"
FOLDERS = ("COCO-Detection", "COCO-InstanceSegmentation")
HEIGHT, WIDTH = 768, 1280
SECTION = "model table"
HEAD = (
    f"| config | parameters (M) | GFLOPs, {HEIGHT} x {WIDTH} | published AP | our AP |\n"
    "| --- | --- | --- | --- | --- |"
)


def all_configs() -> list[Path]:
    """List the configs that have a row each, in the order of the table."""
    return [path for folder in FOLDERS for path in sorted((ROOT / "configs" / folder).glob("*.py"))]


def build(path: Path) -> torch.nn.Module:
    """Build the model of a config on the meta device: shapes without weights."""
    with torch.device("meta"):
        return instantiate(load_config(str(path)).model)


def millions(parameters: int) -> str:
    return f"{parameters / 1e6:.2f}"


def row(path: Path, published_ap: dict) -> str:
    """Make one line of the table."""
    model = build(path)
    link = f"[{path.stem}]({Path(os.path.relpath(path, PAGE.parent)).as_posix()})"
    published = ""
    if path.stem in published_ap["published"]:
        ap, source = published_ap["published"][path.stem]
        published = f"{ap} ([{source}]({published_ap['sources'][source]}))"
    ours = published_ap["ours"].get(path.stem, "not trained")
    flops = f"{count_flops(model, HEIGHT, WIDTH) / 1e9:.1f}"
    return f"| {link} | {millions(count_parameters(model))} | {flops} | {published} | {ours} |"


def table(paths: Sequence[Path]) -> str:
    """Make the table, with a line of progress on stderr for each config.

    Configs that nobody has told an AP of, neither others nor we, are folded away.
    """
    published_ap = json.loads((ROOT / "dev" / "published_ap.json").read_text(encoding="utf-8"))
    known: list[str] = []
    unknown: list[str] = []
    for i, path in enumerate(paths, 1):
        print(f"[{i}/{len(paths)}] {path.stem}", file=sys.stderr)
        trained = path.stem in published_ap["published"] | published_ap["ours"]
        (known if trained else unknown).append(row(path, published_ap))
    folded = [
        "",
        "<details>",
        f"<summary>{len(unknown)} more, of which nobody has told an AP</summary>",
    ]
    folded += ["", HEAD, *unknown, "", "</details>"]
    return "\n".join([HEAD, *known, *(folded if unknown else [])])


def differences(readme: Path, paths: Iterable[Path], *, complete: bool) -> list[str]:
    """List what is wrong with the rows of ``paths``, and with ``complete`` the rows too many."""
    rows = dict(
        re.findall(r"^\| \[([^]]+)\]\([^)]*\) \| ([^ |]+) \|", read_section(readme, SECTION), re.M)
    )
    wrong = []
    for path in paths:
        written = rows.pop(path.stem, None)
        counted = millions(count_parameters(build(path)))
        if written is None:
            wrong.append(f"{path.stem}: no row")
        elif written != counted:
            wrong.append(f"{path.stem}: {counted} M parameters, the table has {written}")
    return wrong + ([f"{name}: no such config" for name in rows] if complete else [])


def run(args: argparse.Namespace) -> None:
    """Write, print or check the rows.

    Raises:
        ValueError: the check has found differences, or the file lacks the section's markers.
    """
    paths = [path.resolve() for path in args.configs] or all_configs()
    if args.check:
        wrong = differences(args.readme, paths, complete=not args.configs)
        if wrong:
            print("\n".join(wrong), file=sys.stderr)
            raise ValueError("the table is out of date, run: python -m dev.model_table")
    elif args.configs:
        print(table(paths))
    else:
        write_section(args.readme, SECTION, table(paths))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", type=Path, help="default: all that have a row")
    parser.add_argument("--readme", type=Path, default=PAGE)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args(argv)
    return exit_status(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
