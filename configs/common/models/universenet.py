"""The R-50 of UniverseNet-20.08: synchronized BN that learns, and a last stage that deforms."""

from sepc.d2.backbones.deform_block import DeformBottleneckBlock

from .resnet50_stages import bottom_up

bottom_up.stem.norm = "SyncBN"
for _stage in bottom_up.stages:
    _stage.norm = "SyncBN"
bottom_up.stages[3].block_class = DeformBottleneckBlock
