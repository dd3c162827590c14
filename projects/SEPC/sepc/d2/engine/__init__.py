"""Training beyond Detectron2: checks, whole checkpoints, exact resume, early stops.

A resumed training equals one that was never interrupted, as far as two runs of the same training do
(the convolutions of some libraries differ in the last bit from run to run): it sees the same images
with the same augmentation from the same state, with any number of loader processes and with
grouping by orientation, as long as batch size and number of training processes stay the same.
Training processes other than the main one get its running statistics, which they only use in
evaluation.
"""

from .checkpoint import Checkpointer
from .config import default_output_dir, load_config
from .data_stream import TrainingStream, build_train_loader
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
    "default_output_dir",
    "evaluate",
    "load_config",
    "number_of_processes",
    "rewind_metrics",
    "use_available_device",
    "warn_small_batch",
]
