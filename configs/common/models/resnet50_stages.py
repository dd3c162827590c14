"""Torchvision's R-50 with its stages res2 to res5 one by one, so that each can be changed."""

from detectron2.config import LazyCall as L
from detectron2.modeling.backbone.resnet import BasicStem, BottleneckBlock, ResNet

from sepc.d2.norm import EvalBatchNorm2d

bottom_up = L(ResNet)(
    stem=L(BasicStem)(in_channels=3, out_channels=64, norm=EvalBatchNorm2d),
    stages=[
        L(ResNet.make_stage)(
            block_class=BottleneckBlock,
            num_blocks=3,
            stride_per_block=[1, 1, 1],
            in_channels=64,
            bottleneck_channels=64,
            out_channels=256,
            num_groups=1,
            stride_in_1x1=False,
            norm=EvalBatchNorm2d,
        ),
        L(ResNet.make_stage)(
            block_class=BottleneckBlock,
            num_blocks=4,
            stride_per_block=[2, 1, 1, 1],
            in_channels=256,
            bottleneck_channels=128,
            out_channels=512,
            num_groups=1,
            stride_in_1x1=False,
            norm=EvalBatchNorm2d,
        ),
        L(ResNet.make_stage)(
            block_class=BottleneckBlock,
            num_blocks=6,
            stride_per_block=[2, 1, 1, 1, 1, 1],
            in_channels=512,
            bottleneck_channels=256,
            out_channels=1024,
            num_groups=1,
            stride_in_1x1=False,
            norm=EvalBatchNorm2d,
        ),
        L(ResNet.make_stage)(
            block_class=BottleneckBlock,
            num_blocks=3,
            stride_per_block=[2, 1, 1],
            in_channels=1024,
            bottleneck_channels=512,
            out_channels=2048,
            num_groups=1,
            stride_in_1x1=False,
            norm=EvalBatchNorm2d,
        ),
    ],
    out_features=["res3", "res4", "res5"],
    freeze_at=2,  # stem and first stage
)
