"""Training beyond Detectron2: checks, whole checkpoints, exact resume, early stops.

A resumed training equals one that was never interrupted, bit for bit with the same number of
threads (another one adds in another order): it sees the same images
with the same augmentation from the same state, with any number of loader processes and with
grouping by orientation, as long as batch size and number of training processes stay the same.
Training processes other than the main one get its running statistics, which they only use in
evaluation.
"""

from ...metrics import rewind_metrics
from .averaging import averaged_weights, evaluate_training
from .bad_images import BadImageError
from .checkpoint import Checkpointer, PeriodicCheckpointer
from .config import build, default_output_dir, load_config
from .console import ProgressPrinter, set_up
from .data_note import DataNote, noted_metadata, paths_of
from .data_stream import TrainingStream, build_test_loader, build_train_loader, use_own_loaders
from .evaluation import check_evaluation, evaluate, has_test_data, make_up_evaluation
from .hooks import EvalHook, StopOnSignal, TrainingStopped, offset_metrics
from .metrics import EarlyWriter, MetricsWriter, TensorBoardWriter
from .results import BestWeights, write_results
from .resume import Settings, continue_or_start
from .setup import (
    amp_dtype,
    check_output_dir,
    claim_output_dir,
    complete_train_loader,
    dataset_names,
    memory_layout,
    number_of_processes,
    stop_on_full_disk,
    use_available_device,
    warn_slow_bfloat16,
    warn_small_batch,
)
from .show_batches import write_batches
from .torchrun import join_torchrun
from .trainer import Trainer

__all__ = [
    "BadImageError",
    "BestWeights",
    "Checkpointer",
    "DataNote",
    "EarlyWriter",
    "EvalHook",
    "MetricsWriter",
    "PeriodicCheckpointer",
    "ProgressPrinter",
    "Settings",
    "StopOnSignal",
    "TensorBoardWriter",
    "Trainer",
    "TrainingStopped",
    "TrainingStream",
    "amp_dtype",
    "averaged_weights",
    "build",
    "build_test_loader",
    "build_train_loader",
    "check_evaluation",
    "check_output_dir",
    "claim_output_dir",
    "complete_train_loader",
    "continue_or_start",
    "dataset_names",
    "default_output_dir",
    "evaluate",
    "evaluate_training",
    "has_test_data",
    "join_torchrun",
    "load_config",
    "make_up_evaluation",
    "memory_layout",
    "noted_metadata",
    "number_of_processes",
    "offset_metrics",
    "paths_of",
    "rewind_metrics",
    "set_up",
    "stop_on_full_disk",
    "use_available_device",
    "use_own_loaders",
    "warn_slow_bfloat16",
    "warn_small_batch",
    "write_batches",
    "write_results",
]
