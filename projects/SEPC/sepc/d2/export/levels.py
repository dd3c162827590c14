"""What each detector predicts at each level, scores and boxes, before anything is chosen.

Detectron2's detectors choose the best scores, decode the boxes and suppress in one go, with shapes
that depend on the image. The export needs these steps apart: this is the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, singledispatch
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from detectron2.modeling import meta_arch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from torch import Tensor, nn

from ...methods.anchors import grid_anchors
from ...methods.boxes import upcast
from ...methods.fsaf import decode_btlr
from ..detectors.assigned import AssignedDetector
from ..detectors.dense import above
from ..detectors.fsaf import FSAF, FSAFRetinaNet


class DenseLevel(NamedTuple):
    """One level of N images.

    Attributes:
        scores: (N, Rl, K); 0 for what is below the threshold, which is not always on this score.
        anchors: (Rl, 4).
        outputs: each (N, Rl, its numbers), what the head predicts there.
        decode: anchors (P, 4) and outputs (P, its numbers), of chosen positions, to boxes (P, 4).
    """

    scores: Tensor
    anchors: Tensor
    outputs: tuple[Tensor, ...]
    decode: Callable[..., Tensor]


@singledispatch
def dense_levels(model: nn.Module, predictions: Sequence[list[Tensor]]) -> list[DenseLevel]:
    """The levels of a detector; other detectors join by ``dense_levels.register``.

    Args:
        model: its type decides.
        predictions: what the head returns.

    Raises:
        ValueError: for a detector that is not known.
    """
    known = ", ".join(kind.__name__ for kind in dense_levels.registry if kind is not object)
    raise ValueError(f"expected a dense detector ({known}), got {type(model).__name__}")


@dense_levels.register
def _retinanet(model: meta_arch.RetinaNet, predictions: Sequence[list[Tensor]]) -> list[DenseLevel]:
    logits, deltas = _flat(predictions, [model.num_classes, 4])
    decode = partial(_apply_deltas, model.box2box_transform)
    anchors = lay_anchors(model.anchor_generator, predictions[0])
    return [
        DenseLevel(above(x.sigmoid(), model.test_score_thresh), a, (d,), decode)
        for x, a, d in zip(logits, anchors, deltas, strict=True)
    ]


@dense_levels.register
def _fcos(model: meta_arch.FCOS, predictions: Sequence[list[Tensor]]) -> list[DenseLevel]:
    logits, deltas, centerness = _flat(predictions, [model.num_classes, 4, 1])
    decode = partial(_apply_deltas, model.box2box_transform)
    anchors = lay_anchors(model.anchor_generator, predictions[0])
    return [
        DenseLevel(
            above(torch.sqrt(x.sigmoid() * c.sigmoid()), model.test_score_thresh), a, (d,), decode
        )
        for x, c, a, d in zip(logits, centerness, anchors, deltas, strict=True)
    ]


@dense_levels.register
def _assigned(model: AssignedDetector, predictions: Sequence[list[Tensor]]) -> list[DenseLevel]:
    """ATSS and GFL."""

    def decode(anchors: Tensor, *outputs: Tensor, stride: int) -> Tensor:
        return model.boxes(anchors, outputs, stride)

    levels = zip(*_flat(predictions, model.prediction_dims), strict=True)
    generator = model.anchor_generator
    return [
        DenseLevel(model.scores(outputs), a, outputs, partial(decode, stride=stride))
        for outputs, a, stride in zip(
            levels, lay_anchors(generator, predictions[0]), generator.strides, strict=True
        )
    ]


@dense_levels.register
def _fsaf(model: FSAF, predictions: Sequence[list[Tensor]]) -> list[DenseLevel]:
    logits, distances = _flat(predictions, [model.num_classes, 4])
    anchors = lay_anchors(model.anchor_free.generator, predictions[0])
    return [
        DenseLevel(above(x.sigmoid(), model.test_score_thresh), a, (d,), _decode_distances)
        for x, a, d in zip(logits, anchors, distances, strict=True)
    ]


@dense_levels.register
def _fsaf_retinanet(model: FSAFRetinaNet, predictions: Sequence[list[Tensor]]) -> list[DenseLevel]:
    return [*_retinanet(model, predictions[:2]), *_fsaf(model, predictions[2:])]


def _decode_distances(anchors: Tensor, distances: Tensor) -> Tensor:
    return decode_btlr(anchors, F.relu(distances))


def _apply_deltas(transform: Any, anchors: Tensor, deltas: Tensor) -> Tensor:
    return transform.apply_deltas(deltas, anchors)


def _flat(predictions: Sequence[list[Tensor]], dims: Sequence[int]) -> list[list[Tensor]]:
    """L maps (N, A*D, Hl, Wl) of each kind -> L tensors (N, Hl*Wl*A, D).

    Detectron2 leaves a size to be inferred, from which an exporter has to prove that it divides.
    """

    def flat(x: Tensor, dim: int) -> Tensor:
        number, channels, height, width = x.shape
        anchors = channels // dim
        return x.permute(0, 2, 3, 1).reshape(number, height * width * anchors, dim)

    return [
        [flat(upcast(x), dim) for x in maps] for maps, dim in zip(predictions, dims, strict=True)
    ]


def lay_anchors(generator: DefaultAnchorGenerator, maps: Sequence[Tensor]) -> list[Tensor]:
    """The anchors of a generator, L tensors (Rl, 4), with sizes that ``torch.export`` follows.

    The generator itself counts in pixels, from which the number of cells has to be derived.
    """
    return [
        grid_anchors(cell_anchors + generator.offset * stride, (x.shape[-2], x.shape[-1]), stride)
        for cell_anchors, stride, x in zip(
            generator.cell_anchors, generator.strides, maps, strict=True
        )
    ]
