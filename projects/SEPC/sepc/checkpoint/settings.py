"""What else than weights a detector of mmdetection is, where files of another config look alike.

The configs for training and those for released weights have the same names and shapes of weights;
what differs is how the network pads, where P7 has a ReLU, and how boxes and anchors are laid.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .meta import PADDING

_AUTHORS_TRUNK = "neck.1.Pconvs."

NO_RELU = "model.backbone.top_block: sepc.d2.mmdet1.LastLevelP6P7"
ANCHORS = "model.anchor_generator: sepc.d2.mmdet1.LegacyAnchorGenerator"
DELTAS = "model.box2box_transform: sepc.d2.mmdet1.LegacyBox2BoxTransform"
INCLUSIVE = "model.inclusive_boxes=True"
VALID = "model.head.trunk.head_padding='valid'"


def lacking_settings(
    names: Iterable[str], meta: Mapping[str, Any], config: Mapping[str, bool]
) -> list[str]:
    """List the settings that weights of mmdetection need and a config lacks.

    The authors' files are of mmdetection 1.x, which their names tell where the file does not say
    its version. Without a word on padding their trunk has none, which is its default.

    Args:
        names: of the weights, as in the file.
        meta: what the file says beside the weights.
        config: whether the config has a setting, for those that apply to its detector.
    """
    text = meta["config"] if isinstance(meta.get("config"), str) else ""
    of_authors = any(name.startswith(_AUTHORS_TRUNK) for name in names)
    needed = []
    if not re.search(r"relu_before_extra_convs\s*=\s*True", text):
        needed.append(NO_RELU)
    if str(meta.get("mmdet_version", "1." if of_authors else "")).startswith("1."):
        needed += [ANCHORS, DELTAS, INCLUSIVE]
    if of_authors and not PADDING.search(text):  # with a word on it, check_meta compares
        needed.append(VALID)
    return [setting for setting in needed if not config.get(setting, True)]
