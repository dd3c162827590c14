"""Base of the modules that a model has for its training alone."""

import logging
from typing import Any

from torch import nn

logger = logging.getLogger(__name__)


class TrainingOnly(nn.Module):
    """Module that no detection depends on, so that a model may do without it.

    :func:`sepc.optimize_for_inference` leaves it out, and weights that have none of it load
    strictly all the same: it then stays as it is, which a warning says. So a detector that was
    trained without it can go on with it. Weights with a part of it don't fit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_keep_what_is_missing)


def _keep_what_is_missing(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any
) -> None:
    if any(name.startswith(prefix) for name in state_dict):
        return
    logger.warning(f"The weights have no {prefix.rstrip('.')}: it starts anew, if it is trained")
    state_dict.update({prefix + name: value for name, value in module.state_dict().items()})
