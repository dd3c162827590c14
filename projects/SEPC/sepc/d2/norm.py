"""Norms of Detectron2 by name, and batch normalization as mmdetection trains a backbone."""

from functools import partial

from detectron2.layers import NaiveSyncBatchNorm
from torch import nn

from ..layers.norms import NORMS

# Detectron2's names for them. "" counts every process the same, which is exact only for equal
# numbers of samples; "N" counts by images, which is exact for equal sizes, and takes empty batches.
NORMS["naiveSyncBN"] = NaiveSyncBatchNorm
NORMS["naiveSyncBN_N"] = partial(NaiveSyncBatchNorm, stats_mode="N")


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
