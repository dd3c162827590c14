"""Train or evaluate a detector of a LazyConfig file, on GPUs of one or many machines or a CPU.

It is Detectron2's own LazyConfig training with the additions of `sepc.d2.engine`. `--eval-only`
folds the norms into the convolutions first, which changes the speed and not the result.
"""

import argparse
import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import torch.distributed as dist
from detectron2.engine import hooks, launch
from detectron2.engine.defaults import create_ddp_model
from detectron2.utils import comm
from omegaconf import DictConfig
from torch import nn
from torch.multiprocessing.spawn import ProcessExitedException

from .. import optimize_for_inference
from ..d2 import engine
from ..d2.config_files import find_config
from ..d2.data_check import check_data
from ..d2.datasets import dataset_metadata
from ..d2.own_data import config_for_data
from ..program import exit_on_error
from ..signals import passing_on

logger = logging.getLogger("sepc.train_net")


def prepare(args: argparse.Namespace) -> DictConfig:
    """Load the config, and check all that can be checked before a model is built."""
    args.config_file = find_config(args.config_file)
    notes: list[str] = []
    if folder := vars(args).get("data"):
        processes = engine.number_of_processes(args.num_gpus) * args.num_machines
        cfg, notes = config_for_data(args.config_file, args.opts, folder, processes=processes)
    else:
        cfg = engine.load_config(args.config_file, args.opts)
    if args.eval_only and not cfg.train.init_checkpoint:
        raise ValueError("--eval-only: expected train.init_checkpoint=FILE, got none")
    if args.eval_only and not engine.has_test_data(cfg):
        raise ValueError("--eval-only: expected a validation set in dataloader.test, got none")
    engine.check_evaluation(cfg)
    check_data(cfg, training=not args.eval_only, show_progress=comm.is_main_process())
    cfg.datasets = engine.paths_of(cfg)
    device_note = engine.use_available_device(cfg, num_gpus=args.num_gpus)
    folder = cfg.train.output_dir = engine.check_output_dir(cfg.train.output_dir)
    if comm.is_main_process() and not args.eval_only:
        engine.claim_output_dir(folder)
    engine.set_up(cfg, args)
    engine.stop_on_full_disk(os.path.join(folder, "log.txt"))
    if device_note:
        logger.warning(device_note)
    engine.warn_slow_bfloat16(cfg)
    for note in notes:
        logger.info(f"From the data: {note}")
    return cfg


def build_model(cfg: DictConfig) -> nn.Module:
    layout = engine.memory_layout(cfg)
    return engine.build(cfg, "model").to(cfg.train.device, memory_format=layout)


def in_parallel(cfg: DictConfig, model: nn.Module) -> nn.Module:
    """Wrap the model for training in several processes; the model itself for one."""
    ddp = dict(cfg.train.ddp)
    if cfg.train.device == "cpu":
        ddp["device_ids"] = None
    return create_ddp_model(model, **ddp)


def build_trainer(
    cfg: DictConfig, model: nn.Module
) -> tuple[engine.Trainer, engine.Checkpointer, Callable[..., dict]]:
    """Build the trainer, its checkpointer, and the evaluation of the model that it trains."""
    settings = engine.Settings(cfg)
    cfg.optimizer.params.model = model
    engine.complete_train_loader(cfg)
    trainer = engine.Trainer(
        model,
        engine.build(cfg, "dataloader.train"),
        engine.build(cfg, "optimizer"),
        amp_dtype=engine.amp_dtype(cfg),
        grad_clip=cfg.train.get("grad_clip"),
        accumulate=cfg.train.get("accumulate", 1),
    )
    averaged = engine.averaged_weights(cfg, model)
    folder = cfg.train.output_dir
    checkpointer = engine.Checkpointer(
        model, folder, settings=settings, trainer=trainer, data=engine.DataNote(cfg)
    )
    if averaged:
        checkpointer.add_checkpointable("averaged", averaged)
    evaluate = functools.partial(
        engine.evaluate_training, cfg, model, averaged, best=engine.BestWeights(cfg)
    )
    keep = cfg.train.checkpointer.max_to_keep if comm.is_main_process() else None
    images = cfg.dataloader.train.total_batch_size // comm.get_world_size()
    engine.warn_small_batch(model, images, accumulate=trainer.accumulate)
    writers, late_writers = [], []
    if comm.is_main_process():
        metrics = engine.MetricsWriter(os.path.join(folder, "metrics.json"))
        writers = [engine.ProgressPrinter(cfg.train.max_iter), metrics]
        late_writers = [metrics, engine.TensorBoardWriter(folder)]
    trainer.register_hooks(
        [
            hooks.IterationTimer(),
            averaged,
            engine.offset_metrics(model, cfg.train.log_period),
            hooks.LRScheduler(scheduler=engine.build(cfg, "lr_multiplier")),
            engine.EarlyWriter(writers, period=cfg.train.log_period),
            engine.PeriodicCheckpointer(
                checkpointer, cfg.train.checkpointer.period, max_to_keep=keep
            ),
            engine.StopOnSignal(checkpointer, trainer.device),
            engine.EvalHook(
                cfg.train.eval_period,
                lambda: evaluate(trainer.stop_signals, brief=trainer.iter < cfg.train.max_iter),
            ),
            hooks.PeriodicWriter(late_writers, period=cfg.train.log_period),
        ]
    )
    return trainer, checkpointer, evaluate


def load_or_resume(
    cfg: DictConfig, checkpointer: engine.Checkpointer, *, resume: bool
) -> tuple[int, bool]:
    """Load what there is to load.

    Returns:
        the iteration to start at, and whether a training had ended there.
    """
    start = engine.continue_or_start(cfg, checkpointer, resume=resume)
    last = checkpointer.get_checkpoint_file()
    ended = start > 0 and os.path.basename(last) == "model_final.pth"
    if comm.is_main_process() and start < cfg.train.max_iter:
        path = os.path.join(cfg.train.output_dir, "metrics.json")
        engine.rewind_metrics(path, start, ended=ended)
    return start, ended


def show_batches(cfg: DictConfig, loader: Any) -> None:
    path = os.path.join(cfg.train.output_dir, "batches.jpg")
    names = dataset_metadata(engine.dataset_names(cfg.dataloader.train)).get("thing_classes")
    order = cfg.dataloader.train.mapper.image_format
    engine.write_batches(loader, path, class_names=names, image_format=order)
    logger.info(f"The first images as the model gets them: {path}")


def train(args: argparse.Namespace) -> dict:
    """Train, or evaluate and return the metrics."""
    with exit_on_error(ValueError, OSError):
        cfg = prepare(args)
        model = build_model(cfg)
        if args.eval_only:
            engine.Checkpointer(model).load(cfg.train.init_checkpoint, strict=True)
            model = optimize_for_inference(model)
        else:
            model = in_parallel(cfg, model)
            trainer, checkpointer, evaluate = build_trainer(cfg, model)
            start, ended = load_or_resume(cfg, checkpointer, resume=args.resume)
            if vars(args).get("show_batches") and comm.is_main_process():
                show_batches(cfg, trainer.data_loader)
    with exit_on_error(FloatingPointError, engine.BadImageError, OSError):
        if args.eval_only:
            return engine.evaluate(cfg, model)
        if start >= cfg.train.max_iter:
            logger.info(
                f"Nothing left to train: {start} of {cfg.train.max_iter} iterations are done"
            )
            made_up = engine.make_up_evaluation(cfg, evaluate, start=start, ended=ended)
            results = made_up or evaluate()
        else:
            engine.make_up_evaluation(cfg, evaluate, start=start, ended=ended)
            trainer.train(start, cfg.train.max_iter)
            results = {}
        if comm.is_main_process():
            engine.write_results(cfg)
    return results


def train_together(args: argparse.Namespace) -> dict:
    """Train as :func:`train` does, and part from the other processes when all are done.

    A process that ends while threads of its process group still run is aborted now and then, and
    a training that is complete would have failed.
    """
    results = train(args)
    if dist.is_initialized():
        comm.synchronize()
        dist.destroy_process_group()
    return results


def signal_children(signum: int) -> None:
    """Pass a signal on to the training processes; end where there is none yet."""
    children = multiprocessing.active_children()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid or 0, signum)
    if not children:
        sys.exit(128 + signum)


def main(args: argparse.Namespace) -> int:
    """Train in as many processes as are asked for; return the exit status."""
    with exit_on_error(ValueError):
        joined = engine.join_torchrun(num_gpus=args.num_gpus, num_machines=args.num_machines)
        processes = 1 if joined else engine.number_of_processes(args.num_gpus)
    alone = processes * args.num_machines == 1
    with contextlib.nullcontext() if alone else passing_on(signal_children) as passed:
        try:
            launch(
                train_together,
                processes,
                num_machines=args.num_machines,
                machine_rank=args.machine_rank,
                dist_url=args.dist_url,
                args=(args,),
            )
        except ProcessExitedException as error:
            if error.exit_code > 0:
                sys.exit(error.exit_code)
            if passed and passed.received:
                sys.exit(128 + passed.received)
            name = signal.Signals(-error.exit_code).name
            print(f"error: a training process was ended by {name}", file=sys.stderr)
            sys.exit(128 - error.exit_code)
        except KeyboardInterrupt:
            sys.exit(130)
    return 0
