"""What all processes of a training decide together, so that none waits for one that has stopped."""

import torch
import torch.distributed as dist
from detectron2.utils import comm


def highest(value: int, device: torch.device) -> int:
    """Highest of the values of all processes.

    Args:
        value: that of this process.
        device: on which the processes exchange tensors.
    """
    if comm.get_world_size() == 1:
        return value
    shared = torch.tensor(value, device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)
