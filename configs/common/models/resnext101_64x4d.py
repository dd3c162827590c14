"""Torchvision's ResNeXt-101-64x4d."""

from .resnet50_stages import bottom_up

bottom_up.stages[2].num_blocks = 23
bottom_up.stages[2].stride_per_block = [2] + [1] * 22
for _stage in bottom_up.stages:
    _stage.num_groups = 64
    _stage.bottleneck_channels *= 4  # at res2 64 groups of 4 channels
