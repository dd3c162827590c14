"""Batch normalization of a pre-trained backbone, as mmdetection trains it."""

from torch import nn


class EvalBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization with fixed statistics and trainable scale and shift.

    mmdetection's ``norm_eval=True``, the default of the authors' backbone. Detectron2's choices
    lie on either side of it: ``FrozenBN`` trains nothing, ``BN`` also moves the statistics.
    Pass the class itself as ``norm`` of a Detectron2 backbone.
    """

    def train(self, mode: bool = True) -> "EvalBatchNorm2d":
        """Stay in evaluation mode whatever ``mode`` says; return self."""
        super().train(False)
        return self
