"""Frame of a study's tool: it makes the data, trains what is missing, reports, and ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from quickstart.data.coco_folder import write_dataset
from sepc import program

from .record import Record
from .run import Run
from .runner import RunsFailed, train_all

REPOSITORY = Path(__file__).resolve().parents[1]
EVIDENCE = REPOSITORY / "docs" / "evidence"
_STOPS = (signal.SIGINT, signal.SIGTERM)


def train_and_report(
    runs: Sequence[Run],
    record: Record,
    report: Callable[[], None],
    *,
    output: Path,
    images: Mapping[str, int],
    workers: int,
) -> None:
    """Train the runs on generated images, see :func:`train_all`; report even if that is stopped.

    Args:
        output: folder of the study.
        images: ``train_images`` and ``val_images``, numbers of images.
    """
    data = output / "data"
    write_dataset(data / "shapes", **images)  # type: ignore[arg-type]
    try:
        train_all(runs, record, repository=REPOSITORY, data=data, output=output, workers=workers)
    finally:
        report()


def make_page(page: Path, title: str, sections: Sequence[str]) -> None:
    """Write a Markdown page with empty sections, unless there is one."""
    if not page.exists():
        empty = "\n\n".join(f"<!-- {name} -->\n<!-- /{name} -->" for name in sections)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"# {title}\n\n{empty}\n")


def exit_status(job: Callable[[], None]) -> int:
    """Do the job of a study and return its exit status, see :func:`sepc.program.exit_status`.

    The same command goes on where the study was stopped. SIGTERM ends it as Ctrl-C does: the runs
    under way save their checkpoints. A second signal changes nothing, so that none is left behind.
    """
    before = {signum: signal.signal(signum, _stop_once) for signum in _STOPS}
    try:
        return program.exit_status(
            job, RunsFailed, stopped="Stopped. The same command goes on where it was."
        )
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _stop_once(signum: int, frame: FrameType | None) -> None:
    for each in _STOPS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
