"""Runs ``sync_worker.work`` in processes started by Detectron2: PROCESSES FOLDER NORM..."""

import sys
from datetime import timedelta

from detectron2.engine import launch

import sepc.d2  # noqa: F401  # Detectron2's norms by name
from tests.layers.sync_worker import work

if __name__ == "__main__":
    processes, folder, *norms = sys.argv[1:]
    launch(
        work,
        int(processes),
        dist_url=f"file://{folder}/rendezvous",
        args=(folder, *norms),
        timeout=timedelta(seconds=60),
    )
