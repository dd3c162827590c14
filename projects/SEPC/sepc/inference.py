"""Optimization of a trained trunk or detector for inference; it computes the same, faster."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers.fast.winograd import use_winograd
from .layers.norms import BatchChannelNorm, InstanceBatchNorm
from .layers.pyramid_layer import PyramidLayer
from .layers.pyramid_norm import PyramidNorm
from .layers.training_only import TrainingOnly
from .layers.weight_standardization import StandardizedWeights


def optimize_for_inference(module: nn.Module) -> nn.Module:
    """Make the fastest equal form of a trunk, or of a detector that has one, for inference.

    Norms with fixed statistics are folded into the convolutions before them: those of the trunk,
    which is exact since pyramid convolution is linear and upsampling takes averages, and those of
    Detectron2's convolutions in the backbone. Of Batch-Channel Normalization the group norm stays,
    of an instance-batch norm the half that is instance norm; so does a batch norm per level, which
    shared kernels can't hold. Standardized weights become ordinary ones. What is for training alone
    is left out. On a CPU, weights get the channels-last order, in which the convolutions then
    compute, and those of wide pyramids go by Winograd's filtering (see
    :mod:`sepc.layers.fast.winograd`): equal to some 1e-5 of the largest value.

    Args:
        module: is left as it is.

    Returns:
        A copy in eval mode, without gradients. It must not be trained.
    """
    module = copy.deepcopy(module).eval().requires_grad_(False)
    for child in list(module.modules()):
        for name, part in list(child.named_children()):
            if isinstance(part, TrainingOnly):
                setattr(child, name, None)
        if isinstance(child, StandardizedWeights):
            child.bake_weights()
    for child in list(module.modules()):
        if isinstance(child, PyramidLayer):
            _fold_pyramid_norm(child)
        elif isinstance(child, nn.Conv2d) and _has_fixed_statistics(getattr(child, "norm", None)):
            _fold(child.norm, child)
            child.norm = None  # type: ignore[assignment]
    on_cpu = all(p.device.type == "cpu" for p in module.parameters())
    return use_winograd(module.to(memory_format=torch.channels_last)) if on_cpu else module


def has_fast_bfloat16() -> bool:
    """Whether oneDNN computes in bfloat16 on this CPU: on x86 it wants AVX-512.

    Without, PyTorch has kernels that are not vectorized: a trunk takes nine times as long as in
    float32, or more.
    """
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _fold_pyramid_norm(layer: PyramidLayer) -> None:
    if layer.norm is None:
        return
    norm: nn.Module = layer.norm.shared
    rest: PyramidNorm | None = None
    first_channel = 0
    if isinstance(norm, BatchChannelNorm):
        rest = PyramidNorm(norm.channel).eval()
        norm = norm.batch
    elif isinstance(norm, InstanceBatchNorm):
        rest, first_channel = layer.norm, norm.num_instance
        norm.batch, norm = nn.Identity(), norm.batch
    if not _has_fixed_statistics(norm):
        return
    # the sum of all terms is normalized: each is scaled, one is shifted
    kernels = dict(layer.conv.named_children())
    _fold(norm, kernels.pop("same"), *kernels.values(), first_channel=first_channel)
    layer.norm = rest


def _has_fixed_statistics(norm: object) -> bool:
    """Whether it is a batch norm with statistics, or a frozen one of torchvision or Detectron2."""
    is_norm = isinstance(norm, nn.modules.batchnorm._BatchNorm) or (
        isinstance(norm, nn.Module) and type(norm).__name__ == "FrozenBatchNorm2d"
    )
    return is_norm and getattr(norm, "running_mean", None) is not None


def _fold(norm: Any, first: Any, *others: Any, first_channel: int = 0) -> None:
    """Scale the convolutions as the norm scales their sum; the shift goes into the first.

    Args:
        first_channel: where the norm's channels begin; those before stay as they are.
    """
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -norm.running_mean * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    scale = F.pad(scale, (first_channel, 0), value=1.0)
    shift = F.pad(shift, (first_channel, 0))
    for conv in (first, *others):
        conv.weight = _frozen(conv.weight * scale.view(-1, 1, 1, 1))
        if conv.bias is not None:
            conv.bias = _frozen(conv.bias * scale)
    first.bias = _frozen(shift if first.bias is None else first.bias + shift)


def _frozen(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=False)
