"""What training needs beyond Detectron2: checks, whole checkpoints, exact resume, early stops.

A resumed training equals one that was never interrupted: on a CPU bit by bit, with any number of
loader processes and with grouping by orientation, as long as batch size and number of training
processes stay the same. On a GPU it is as equal as two runs of the same training, and training
processes other than the main one get its running statistics, which they only use in evaluation.
"""

from .checkpoint import Checkpointer
from .config import load_config
from .data_stream import TrainingStream, build_train_loader
from .errors import told_in_one_line
from .evaluation import evaluate
from .hooks import EvalHook, StopOnSignal, TrainingStopped
from .setup import (
    amp_dtype,
    check_output_dir,
    dataset_names,
    number_of_processes,
    rewind_metrics,
    use_available_device,
    warn_small_batch,
)
from .trainer import Trainer

__all__ = [
    "Checkpointer",
    "EvalHook",
    "StopOnSignal",
    "Trainer",
    "TrainingStopped",
    "TrainingStream",
    "amp_dtype",
    "build_train_loader",
    "check_output_dir",
    "dataset_names",
    "evaluate",
    "load_config",
    "number_of_processes",
    "rewind_metrics",
    "told_in_one_line",
    "use_available_device",
    "warn_small_batch",
]
