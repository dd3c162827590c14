"""A dense detector made small, for images of about 128 pixels: half-width ResNet-10, from scratch.

With two blocks per stage (ResNet-18) it took three times as many iterations to tell classes apart.
"""

from detectron2.config import LazyCall as L
from detectron2.modeling.backbone.resnet import BasicBlock, BasicStem, ResNet

_stage = dict(block_class=BasicBlock, num_blocks=1, norm="BN")
bottom_up = L(ResNet)(
    stem=L(BasicStem)(in_channels=3, out_channels=32, norm="BN"),
    stages=[
        L(ResNet.make_stage)(**_stage, stride_per_block=[1], in_channels=32, out_channels=32),
        L(ResNet.make_stage)(**_stage, stride_per_block=[2], in_channels=32, out_channels=64),
        L(ResNet.make_stage)(**_stage, stride_per_block=[2], in_channels=64, out_channels=128),
        L(ResNet.make_stage)(**_stage, stride_per_block=[2], in_channels=128, out_channels=256),
    ],
    out_features=["res3", "res4", "res5"],
    freeze_at=0,
)


def make_small(model):
    """Give a full-size dense detector the small backbone, small anchors and six classes."""
    model.backbone.bottom_up = bottom_up
    model.backbone.out_channels = 64
    if "in_feature" not in model.backbone.top_block:  # P6 comes from res5
        model.backbone.top_block.in_channels = 256
    if "anchor_generator" in model:
        one_per_cell = len(model.anchor_generator.sizes[0]) == 1
        model.anchor_generator.sizes = (
            [[16], [32], [64], [128], [256]]
            if one_per_cell
            else [[8, 10, 12.7], [16, 20, 25.4], [32, 40, 50.8], [64, 80, 102], [128, 160, 203]]
        )
    model.num_classes = 6
    model.pixel_mean = [127.5, 127.5, 127.5]
    model.pixel_std = [64.0, 64.0, 64.0]
