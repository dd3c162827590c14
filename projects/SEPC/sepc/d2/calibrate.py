"""Running statistics made anew from a data set: precise BN, or mixed with the old: alpha-BN.

Sources: precise BN, https://arxiv.org/abs/2105.07576, Sec 3, by fvcore's ``update_bn_stats``;
alpha-BN, https://arxiv.org/abs/2110.04065.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from detectron2.data import get_detection_dataset_dicts
from fvcore.nn.precise_bn import BN_MODULE_TYPES, update_bn_stats
from torch import nn

from ..data.progress import progress as with_progress
from ..layers import PyramidNorm

NORMS = ("pyramid", "all")


def norms_to_calibrate(model: nn.Module, norms: str = "pyramid") -> list[nn.Module]:
    """The batch norms over pyramids, or with "all" those of the backbone as well.

    BN, SyncBN, the BN of each level and the estimated BN of Batch-Channel Normalization are such,
    frozen or not; ``FrozenBN``, whose statistics are part of fixed weights, and GN are not.

    Raises:
        ValueError: for another ``norms``, or a model without any; says what is looked for.
    """
    if norms not in NORMS:
        raise ValueError(f"norms: expected one of {NORMS}, got {norms!r}")
    places = [m for m in model.modules() if norms == "all" or isinstance(m, PyramidNorm)]
    found = {id(m): m for place in places for m in place.modules()}.values()
    batch_norms = [m for m in found if isinstance(m, BN_MODULE_TYPES)]
    if not batch_norms or any(m.running_mean is None for m in batch_norms):
        raise ValueError(
            f"expected batch norms with running statistics ({norms}), found {len(batch_norms)}; "
            "frozen BN and GN have no statistics to calibrate"
        )
    return batch_norms


def calibrate(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    num_batches: int,
    alpha: float = 0.0,
    norms: str = "pyramid",
    progress: bool = False,
) -> None:
    """Replace running statistics by those of a data set, or by a mixture; nothing else changes.

    All batch norms that are calibrated normalize by the statistics of each batch meanwhile, so a
    batch should have some images. The new ones are those of all samples of all batches together.

    Args:
        model: a detector. It detects in eval mode, so batches need no ground truth.
        batches: what the model takes, at least ``num_batches``.
        num_batches: how many of them to see.
        alpha: share of the old statistics in the new, in [0, 1]: m = alpha m_old + (1 - alpha)
            m_new, and the same for the variance. 0 is precise BN.
        norms: "pyramid" or "all", see :func:`norms_to_calibrate`.
        progress: show it.

    Raises:
        ValueError: for numbers out of range, or a model without such norms.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha: expected 0 to 1, got {alpha}")
    if num_batches < 1:
        raise ValueError(f"num_batches: expected 1 or more, got {num_batches}")
    batch_norms = norms_to_calibrate(model, norms)
    old = [{k: v.clone() for k, v in m.named_buffers()} for m in batch_norms]
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for norm in batch_norms:
            norm.training = True  # not train(): a frozen one is calibrated, too
        shown = with_progress(
            batches, total=num_batches, description="batches", unit="batch", show=progress
        )
        update_bn_stats(model, shown, num_batches, progress=None)
    finally:
        for module, mode in modes:
            module.training = mode
    for norm, before in zip(batch_norms, old, strict=True):
        for name in ("running_mean", "running_var"):
            new = norm.get_buffer(name)
            norm.register_buffer(name, torch.lerp(new, before[name].to(new), alpha))
        if norm.num_batches_tracked is not None:
            norm.register_buffer("num_batches_tracked", before["num_batches_tracked"])


def batches_of(
    dataset: str, mapper: Callable, *, images: int, batch_size: int, seed: int = 0
) -> tuple[int, Iterator[list[Any]]]:
    """Some images of a registered data set, drawn at random, each at most once.

    Args:
        dataset: its name in Detectron2's catalog.
        mapper: for inference, as that of ``cfg.dataloader.test``.
        images: at most so many.
        batch_size: images in each batch; what does not fill one is left out.
        seed: of the choice.

    Returns:
        the number of batches, and the batches.

    Raises:
        ValueError: for numbers below 1, or a data set with fewer images than a batch.
    """
    if images < 1 or batch_size < 1:
        raise ValueError(f"expected 1 or more images and batch size, got {images} and {batch_size}")
    dicts = get_detection_dataset_dicts(dataset, filter_empty=False)
    count = min(images, len(dicts)) // batch_size
    if count < 1:
        raise ValueError(
            f"expected a batch of {batch_size} images or more, got {min(images, len(dicts))} of "
            f"{dataset}"
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(dicts), generator=generator).tolist()
    chosen = [order[i * batch_size : (i + 1) * batch_size] for i in range(count)]
    return count, ([mapper(dict(dicts[i])) for i in batch] for batch in chosen)
