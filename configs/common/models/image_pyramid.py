"""A small backbone on a Gaussian pyramid of the image, in place of FPN's.

Without a norm, which would treat the levels differently by their own statistics.
"""

from detectron2.config import LazyCall as L
from detectron2.modeling.backbone.resnet import BasicBlock, BasicStem, ResNet

from sepc.d2.backbones.image_pyramid import ImagePyramid

backbone = L(ImagePyramid)(
    bottom_up=L(ResNet)(
        stem=L(BasicStem)(in_channels=3, out_channels=32, norm=""),
        stages=[
            L(ResNet.make_stage)(
                block_class=BasicBlock,
                num_blocks=3,
                stride_per_block=[1, 1, 1],
                in_channels=32,
                out_channels=32,
                norm="",
            )
        ],
        out_features=["res2"],
        freeze_at=0,
    ),
    num_levels=4,
    out_channels=64,
)
