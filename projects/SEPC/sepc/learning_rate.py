"""Learning rates of parameters by their names."""

import functools
from collections.abc import Callable


def lr_factor(*, offset: float = 1.0) -> Callable[[str], float]:
    """Make an ``lr_factor_func`` of Detectron2's ``get_default_optimizer_params``.

    As a function of a config it can be saved and loaded as YAML, which a lambda can't be.

    Args:
        offset: factor of the learning rate of the convolutions that predict the offsets of
            deformable ones, in the trunk and in the backbone. mmcv has it as
            ``dcn_offset_lr_mult``; 0.1 is Deformable DETR's (https://arxiv.org/abs/2010.04159,
            Sec. 5).

    Returns:
        a function from the name of a parameter to the factor of its learning rate.

    Raises:
        ValueError: for a negative factor.
    """
    if offset < 0:
        raise ValueError(f"expected a factor of the learning rate >= 0, got offset={offset}")
    return functools.partial(_factor, offset=offset)


def _factor(name: str, *, offset: float) -> float:
    modules = name.split(".")[:-1]
    return offset if any(module.endswith("offset") for module in modules) else 1.0
