"""Training in the processes that torchrun has started, on one machine or many."""

import os
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from detectron2.utils import comm


def is_under_torchrun() -> bool:
    """Whether this process is one of those that torchrun starts."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def run_under_torchrun(job: Callable[[], Any], *, num_gpus: int, num_machines: int) -> None:
    """Do the job of one process, as Detectron2's ``launch`` does it in those that it starts itself.

    Args:
        job: called with all processes connected, on this one's GPU if the machine has any.
        num_gpus, num_machines: of the command line, which torchrun's own flags replace.

    Raises:
        ValueError: if one of them is given all the same, or there are more processes than GPUs.
    """
    if num_gpus > 1 or num_machines > 1:
        raise ValueError(
            "expected --nproc-per-node and --nnodes of torchrun alone, "
            f"got --num-gpus {num_gpus} --num-machines {num_machines} as well"
        )
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    with_gpus = torch.cuda.is_available() and num_gpus > 0
    if with_gpus:
        if local > torch.cuda.device_count():
            raise ValueError(
                f"--nproc-per-node: expected 1 to {torch.cuda.device_count()}, the GPUs, got {local}"
            )
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if with_gpus else "gloo")
    comm.create_local_process_group(local)
    job()
    dist.destroy_process_group()
