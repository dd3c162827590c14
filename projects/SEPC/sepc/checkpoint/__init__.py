"""Conversion of other implementations' weights: pure functions on state dicts."""

from .names import convert_state_dict, restore_state_dict

__all__ = ["convert_state_dict", "restore_state_dict"]
