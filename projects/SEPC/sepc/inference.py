"""Make a trained trunk or detector as fast as it can be, without changing what it computes."""

from __future__ import annotations

from torch import nn


def optimize_for_inference(module: nn.Module) -> nn.Module:
    """The fastest equal form of a trunk or detector in eval mode: so far the module itself."""
    return module
