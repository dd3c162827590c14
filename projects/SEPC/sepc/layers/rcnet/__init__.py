"""RCNet: a pyramid that is fused from fine to coarse, and then across all its levels."""

from .rcnet import RCNet

__all__ = ["RCNet"]
