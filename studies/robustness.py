#!/usr/bin/env python
"""Measure how robust each norm over the pyramid is to corruptions, as it is and with alpha-BN.

    python -m studies.norms --batches 16                  # trains the detectors
    python -m studies.robustness                          # hours: all corruptions and severities
    python -m studies.robustness --severities 3 --seeds 1 # less of it
    python -m studies.robustness --data bccd              # those of `studies.norms --data bccd`
    python -m studies.robustness --report                 # the table of what there is

It can be stopped at any time, and the same command goes on. The detectors are those that
`studies.norms` has left in its folder of output. The table goes into docs/robustness.md, all
evaluations into docs/norms/robustness.json or robustness_bccd.json. GN has no running statistics
that alpha-BN could mix.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dev.sections import write_section
from sepc.files import atomic_write
from sepc.robustness import SEVERITIES
from sepc.robustness.record import RobustnessRecord
from studies import Run, exit_status
from studies.bccd import data_folder
from studies.norms import IMAGES, make_bccd_run, make_run
from studies.program import REPOSITORY, make_page
from studies.summary import markdown_table, mean_and_spread

NORMS = ("iBN", "GN", "BN per level", "BCN")
WITHOUT_STATISTICS = ("GN",)
METRIC = "AP"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=("shapes", "bccd"), default="shapes")
    parser.add_argument("--norms", nargs="+", choices=NORMS, default=list(NORMS))
    parser.add_argument("--batch", type=int, default=16, help="of the training (16)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--severities", nargs="+", type=int, choices=SEVERITIES, default=SEVERITIES)
    parser.add_argument("--corruptions", nargs="+", default=[], help="in place of all")
    parser.add_argument("--alpha", type=float, default=0.5, help="share of old statistics (0.5)")
    parser.add_argument("--trained", type=Path, default=Path("output/norms"), help="of the norms")
    parser.add_argument("--docs", type=Path, default=REPOSITORY / "docs")
    parser.add_argument("--report", action="store_true", help="evaluate nothing")
    return parser.parse_args(argv)


def rows(args: argparse.Namespace) -> Iterator[tuple[str, str, float | None]]:
    """Name of each row of the table, its norm, and its alpha."""
    for norm in args.norms:
        yield norm, norm, None
        if norm not in WITHOUT_STATISTICS:
            yield f"{norm}, alpha-BN {args.alpha:g}", norm, args.alpha


def folder_of(args: argparse.Namespace, run: Run, alpha: float | None) -> Path:
    """Where the evaluations of a trained detector are."""
    return args.trained / run.name / ("robustness" if alpha is None else f"robustness-{alpha:g}")


def run_of(args: argparse.Namespace, norm: str, seed: int) -> Run:
    if args.data == "bccd":
        return make_bccd_run(norm, seed)
    return make_run(norm, args.batch, seed, images=IMAGES)


def evaluate(args: argparse.Namespace) -> None:
    """Run tools/robustness.py on every detector; it knows what is done."""
    data = data_folder() if args.data == "bccd" else args.trained.resolve() / "data"
    environment = {**os.environ, "DETECTRON2_DATASETS": str(data)}
    for seed in args.seeds:
        for name, norm, alpha in rows(args):
            run = run_of(args, norm, seed)
            trained = args.trained / run.name
            weights = trained / "model_final.pth"
            if not weights.is_file():
                raise FileNotFoundError(f"{weights} does not exist: python -m studies.norms")
            print(f"{name}, seed {seed}", flush=True)
            command = [
                *(sys.executable, str(REPOSITORY / "tools" / "robustness.py")),
                f"train.init_checkpoint={weights}",
                *("--config-file", str(trained / "config.yaml")),
                *("--output", str(folder_of(args, run, alpha))),
                *("--severities", *map(str, args.severities)),
                *(("--corruptions", *args.corruptions) if args.corruptions else ()),
                *(("--alpha", str(alpha)) if alpha is not None else ()),
            ]
            done = subprocess.run(command, env=environment, check=False)
            if done.returncode:
                raise ValueError(f"tools/robustness.py ended with {done.returncode}")


def load(path: Path) -> RobustnessRecord:
    return RobustnessRecord(path, json.loads(path.read_text(encoding="utf-8"))["setting"])


def report(args: argparse.Namespace) -> None:
    """Write P, mPC and rPC of each row, mean and standard deviation over the seeds."""
    cells, content = [], {}
    for name, norm, alpha in rows(args):
        folders = [folder_of(args, run_of(args, norm, seed), alpha) for seed in args.seeds]
        paths = [folder / "robustness.json" for folder in folders]
        records = [load(path) for path in paths if path.is_file()]
        if not records:
            continue
        found = [record.summary(METRIC) for record in records]
        columns = zip(*((f.clean, f.corrupted, 100 * f.relative) for f in found), strict=True)
        cells.append([name, *map(mean_and_spread, columns), str(len(found))])
        content[name] = [record.grid(METRIC) for record in records]
    if not cells:
        print("nothing is finished yet")
        return
    table = markdown_table(["norm", f"P ({METRIC}, clean)", "mPC", "rPC, %", "seeds"], cells)
    suffix = "" if args.data == "shapes" else f"_{args.data}"
    make_page(args.docs / "robustness.md", "Robustness", ("study", "study_bccd"))
    write_section(args.docs / "robustness.md", f"study{suffix}", table)
    with atomic_write(args.docs / "norms" / f"robustness{suffix}.json") as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(table)


def study(args: argparse.Namespace) -> None:
    if not args.report:
        evaluate(args)
    report(args)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    return exit_status(lambda: study(args))


if __name__ == "__main__":
    sys.exit(main())
