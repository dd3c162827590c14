"""UniverseNet's Res2Net-v1b-50: 4 scales of 26 channels at res2, and a stem of three layers."""

from sepc.d2.backbones.deep_stem import DeepStem
from sepc.d2.backbones.res2net import Res2NetBlock

from .resnet50_stages import bottom_up

bottom_up.stem._target_ = DeepStem
for _stage, _width in zip(bottom_up.stages, [26, 52, 104, 208], strict=True):
    _stage.block_class = Res2NetBlock
    _stage.bottleneck_channels = 4 * _width
    _stage.num_scales = 4
    _stage.deform = False
    del _stage.num_groups
    del _stage.stride_in_1x1
