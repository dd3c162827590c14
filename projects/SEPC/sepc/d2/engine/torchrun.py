"""Training in the processes that torchrun has started, on one machine or many."""

import os

import torch
import torch.distributed as dist
from detectron2.utils import comm


def join_torchrun(*, num_gpus: int, num_machines: int) -> bool:
    """Connect this process with the others, as Detectron2's ``launch`` connects those it starts.

    Each takes the GPU of its number on the machine, if there are any.

    Args:
        num_gpus, num_machines: of the command line, in whose place torchrun has its own flags;
            ``num_gpus`` of 0 means the CPU.

    Returns:
        whether torchrun has started this process; otherwise nothing is done.

    Raises:
        ValueError: if one of them is given all the same, or there are more processes than GPUs.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return False
    if num_gpus > 1 or num_machines > 1:
        raise ValueError(
            "under torchrun: expected its --nproc-per-node and --nnodes alone, "
            f"got --num-gpus {num_gpus} --num-machines {num_machines}"
        )
    processes = int(os.environ["LOCAL_WORLD_SIZE"])
    with_gpus = torch.cuda.is_available() and num_gpus > 0
    if with_gpus:
        available = torch.cuda.device_count()
        if processes > available:
            raise ValueError(f"--nproc-per-node: expected 1 to {available}, got {processes}")
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if with_gpus else "gloo")
    comm.create_local_process_group(processes)
    return True
