"""A RetinaNet for images of about 128 pixels: half-width ResNet of 10 layers, from scratch.

With two blocks per stage (ResNet-18) it took three times as many iterations to tell classes apart.
"""

from detectron2.config import LazyCall as L
from detectron2.modeling.backbone.resnet import BasicBlock, BasicStem, ResNet

from .retinanet import model

model.backbone.bottom_up = L(ResNet)(
    stem=L(BasicStem)(in_channels=3, out_channels=32, norm="BN"),
    stages=[
        L(ResNet.make_stage)(
            block_class=BasicBlock,
            num_blocks=1,
            stride_per_block=[1],
            in_channels=32,
            out_channels=32,
            norm="BN",
        ),
        L(ResNet.make_stage)(
            block_class=BasicBlock,
            num_blocks=1,
            stride_per_block=[2],
            in_channels=32,
            out_channels=64,
            norm="BN",
        ),
        L(ResNet.make_stage)(
            block_class=BasicBlock,
            num_blocks=1,
            stride_per_block=[2],
            in_channels=64,
            out_channels=128,
            norm="BN",
        ),
        L(ResNet.make_stage)(
            block_class=BasicBlock,
            num_blocks=1,
            stride_per_block=[2],
            in_channels=128,
            out_channels=256,
            norm="BN",
        ),
    ],
    out_features=["res3", "res4", "res5"],
    freeze_at=0,
)
model.backbone.out_channels = 64
model.backbone.top_block.in_channels = 256
model.anchor_generator.sizes = [
    [8, 10, 12.7],
    [16, 20, 25.4],
    [32, 40, 50.8],
    [64, 80, 102],
    [128, 160, 203],
]
model.num_classes = 6
model.pixel_mean = [127.5, 127.5, 127.5]
model.pixel_std = [64.0, 64.0, 64.0]
