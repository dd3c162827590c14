"""RetinaNet (https://arxiv.org/abs/1708.02002): Detectron2's, with its ground truth checked."""

from detectron2.modeling import meta_arch

from .ground_truth import ChecksGroundTruth


class RetinaNet(ChecksGroundTruth, meta_arch.RetinaNet):
    """Detectron2's ``RetinaNet``; see :class:`ChecksGroundTruth` for the difference."""
