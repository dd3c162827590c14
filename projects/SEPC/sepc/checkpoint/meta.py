"""Check of what mmdetection writes beside the weights against what they are converted for.

Some detectors have the same weights and mean other things by them: RetinaNet and FreeAnchor, with
and without padding, with the classes in another order. Names and shapes don't tell these apart.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

# mmdetection's heads by the names of our detectors
_DETECTORS = {
    "SepcRetinaHead": "RetinaNet",
    "SepcFreeAnchorRetinaHead": "FreeAnchor",
    "FSAFHead": "FSAF",
    "ATSSSEPCHead": "ATSS",
    "GFLSEPCHead": "GFL",
}
PADDING = re.compile(r"lcconv_padding\s*=\s*([01])")


def check_meta(
    meta: Mapping[str, Any], *, detector: str, head_padding: str, classes: Sequence[str] | None
) -> list[str]:
    """Compare detector, padding and classes of a file with those of a config, as far as it tells.

    Args:
        meta: of the file.
        detector: name of the class that the weights are for.
        head_padding: of its trunk, "same" or "valid".
        classes: names of the classes it is to find, in order; None if they are not known.

    Returns:
        lines on what could not be checked.

    Raises:
        ValueError: for another detector, padding, or other classes.
    """
    config = meta.get("config")
    text = config if isinstance(config, str) else ""
    notes = []
    heads = [head for head in _DETECTORS if re.search(rf"\b{head}\b", text)]
    if not heads:
        notes.append(
            f"the file does not say what detector it is of: taken as {detector} (the weights of "
            "RetinaNet and FreeAnchor look alike)"
        )
    elif detector not in [_DETECTORS[head] for head in heads]:
        raise ValueError(
            f"the file is of {_DETECTORS[heads[0]]} ({heads[0]}), the config of {detector}"
        )
    if padding := PADDING.search(text):
        written = {"0": "valid", "1": "same"}[padding[1]]
        if written != head_padding:
            raise ValueError(
                f"the file's trunk has {padding[0]}, that is head_padding={written!r}, "
                f"the config's has {head_padding!r}"
            )
    return notes + _check_classes(meta.get("CLASSES"), classes)


def _check_classes(written: Any, expected: Sequence[str] | None) -> list[str]:
    if not isinstance(written, (list, tuple)) or not expected:
        return ["the order of the classes could not be checked: taken as the data set's own"]
    if _plain(written) != _plain(expected):
        pairs = zip(_plain(written), _plain(expected), strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), None)
        difference = f", where {first[0]!r} stands for {first[1]!r}" if first else ""
        raise ValueError(
            f"the file has other classes than the config's data set, or in another order: "
            f"{len(written)} and {len(expected)}{difference}"
        )
    return []


def _plain(names: Sequence[Any]) -> list[str]:
    """mmdetection 1.x writes traffic_light for COCO's "traffic light"."""
    return [str(name).replace("_", " ").lower() for name in names]
