"""Parameters and FLOPs of Detectron2's detectors, with deformable convolution counted.

FLOPs are those of fvcore: one multiply-add is one, and additions, ReLU, pooling, box decoding and
NMS are none. fvcore does not know deformable convolution and leaves it out, so that a deformable
model looks cheaper than the plain one. Here it costs

- its kernel, as an ordinary convolution of the same shape: Cin * taps * Cout per output position;
- its sampling: four multiply-adds of the bilinear interpolation for each of the Cin * taps values
  per output position, and one more for the modulation of DCNv2;
- its offsets: they come from an ordinary convolution, which fvcore counts by itself.

At the finest level the kernels of SEPC do not deform and cost what a plain convolution costs.
"""

import copy
from math import prod
from typing import Any

import torch
from detectron2.modeling import GeneralizedRCNN
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import get_shape
from torch import Tensor, nn

REGIONS = 1000  # proposals that the box heads of a two-stage detector read
INSTANCES = 100  # detections that its mask head reads

_TRACED = 128  # pixels; a multiple of the stride of P7, so that nothing is rounded
_ELEMENTWISE = ("add", "add_", "sub", "rsub", "mul", "mul_", "div", "exp", "clamp", "sigmoid")
_POOLING = ("max_pool2d", "amax", "maximum", "minimum", "mean", "sum", "softmax")
_MOVING = ("index_select", "unflatten", "view_as")
_FREE = {f"aten::{name}" for name in (*_ELEMENTWISE, *_POOLING, *_MOVING)}


def count_parameters(model: nn.Module) -> int:
    """Number of trainable and frozen parameters; running statistics are none."""
    return sum(p.numel() for p in model.parameters())


def count_flops(model: nn.Module, height: int, width: int) -> int:
    """FLOPs of inference on one image, as the module's docstring defines them.

    All costs of the dense part grow with the area of the image where no level rounds its size, so
    it is traced at a small size and scaled, which is exact (but for 0.01 % of RCNet, whose gates
    and contexts cost the same for any size). The heads for regions of a two-stage detector cost
    what ``REGIONS`` proposals and ``INSTANCES`` detections cost, whatever the size; sampling the
    regions is not counted.

    Args:
        model: a ``DenseDetector`` or ``GeneralizedRCNN``; it may be on the meta device.
        height, width: multiples of 128.

    Raises:
        ValueError: another size or kind of model, or an operator whose cost is not known.
    """
    if height % _TRACED or width % _TRACED or height < 1 or width < 1:
        raise ValueError(f"expected multiples of {_TRACED} pixels, got {height} x {width}")
    model = _with_zero_weights(model)
    image = torch.zeros(1, 3, _TRACED, _TRACED)
    if isinstance(model, DenseDetector):
        dense, regions = _trace(_OneStage(model), image), 0
    elif isinstance(model, GeneralizedRCNN):
        dense, regions = _trace(_Proposals(model), image), _count_regions(model)
    else:
        raise ValueError(f"expected a DenseDetector or GeneralizedRCNN, got {type(model).__name__}")
    return dense * (height // _TRACED) * (width // _TRACED) + regions


def _with_zero_weights(model: nn.Module) -> nn.Module:
    model = copy.deepcopy(model).eval().to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.zero_()
    return model


class _OneStage(nn.Module):
    def __init__(self, model: DenseDetector) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Any:
        features = self.model.backbone(image)
        return self.model.head([features[name] for name in self.model.head_in_features])


class _Proposals(nn.Module):
    def __init__(self, model: GeneralizedRCNN) -> None:
        super().__init__()
        self.backbone, self.rpn = model.backbone, model.proposal_generator

    def forward(self, image: Tensor) -> Any:
        features = self.backbone(image)
        return self.rpn.rpn_head([features[name] for name in self.rpn.in_features])


class _Masks(nn.Module):
    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head: Any = head

    def forward(self, regions: Tensor) -> Tensor:
        return self.head.layers(regions)


def _count_regions(model: GeneralizedRCNN) -> int:
    heads: Any = model.roi_heads
    channels = next(iter(model.backbone.output_shape().values())).channels
    one_stage = not isinstance(heads.box_head, nn.ModuleList)  # Cascade R-CNN has several
    stages = zip(
        [heads.box_head] if one_stage else heads.box_head,
        [heads.box_predictor] if one_stage else heads.box_predictor,
        strict=True,
    )
    region = torch.zeros(1, channels, *heads.box_pooler.output_size)
    flops = REGIONS * sum(_trace(nn.Sequential(*stage), region) for stage in stages)
    if heads.mask_on:
        region = torch.zeros(1, channels, *heads.mask_pooler.output_size)
        flops += INSTANCES * _trace(_Masks(heads.mask_head), region)
    return flops


def _trace(module: nn.Module, x: Tensor) -> int:
    with torch.no_grad():
        analysis = FlopCountAnalysis(module, x)
        analysis.set_op_handle("torchvision::deform_conv2d", _deform_conv_flops)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        total = analysis.total()
        unknown = sorted(set(analysis.unsupported_ops()) - _FREE)
    if unknown:
        raise ValueError(f"expected operators whose cost is known, got {unknown}")
    return int(total)


def _deform_conv_flops(inputs: list[Any], outputs: list[Any]) -> int:
    """Of one ``torchvision::deform_conv2d``: sampling and kernel; see the module's docstring."""
    cin = get_shape(inputs[0])[1]
    cout, cin_per_group, *kernel = get_shape(inputs[1])
    n, _, height, width = get_shape(outputs[0])
    modulated = bool(inputs[-1].toIValue())
    sampling = (5 if modulated else 4) * cin * prod(kernel)
    return n * height * width * (sampling + cin_per_group * prod(kernel) * cout)
