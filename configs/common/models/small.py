"""A dense detector made small, for images of about 128 pixels: half-width ResNet-10, from scratch.

Its pyramid has the geometry that the detectors have on COCO: on levels of stride 4 to 32 objects
are four to eight cells wide where they are decided, and about half of them above the finest level.
`tools/pyramid_usage.py` shows it.
"""

from detectron2.config import LazyCall as L
from detectron2.modeling.backbone.resnet import BasicBlock, BasicStem, ResNet

STRIDES = [4, 8, 16, 32]
ANCHOR_SIDE = 4  # in strides: half of COCO's, as are the images in cells of the finest level

_stage = dict(block_class=BasicBlock, num_blocks=1, norm="BN")
bottom_up = L(ResNet)(
    stem=L(BasicStem)(in_channels=3, out_channels=32, norm="BN"),
    stages=[
        L(ResNet.make_stage)(**_stage, stride_per_block=[1], in_channels=32, out_channels=32),
        L(ResNet.make_stage)(**_stage, stride_per_block=[2], in_channels=32, out_channels=64),
        L(ResNet.make_stage)(**_stage, stride_per_block=[2], in_channels=64, out_channels=128),
        L(ResNet.make_stage)(**_stage, stride_per_block=[2], in_channels=128, out_channels=256),
    ],
    out_features=["res2", "res3", "res4", "res5"],
    freeze_at=0,
)


def make_small(model):
    """Give a full-size dense detector the small backbone, small anchors and twelve classes."""
    model.backbone.bottom_up = bottom_up
    model.backbone.in_features = bottom_up.out_features
    model.backbone.top_block = None
    model.backbone.out_channels = 64
    model.head_in_features = ["p2", "p3", "p4", "p5"]
    if "anchor_generator" in model:
        per_octave = len(model.anchor_generator.sizes[0])
        model.anchor_generator.strides = STRIDES
        model.anchor_generator.sizes = [
            [ANCHOR_SIDE * stride * 2 ** (i / per_octave) for i in range(per_octave)]
            for stride in STRIDES
        ]
    if "input_shape" in model.head:
        model.head.input_shape = model.head.input_shape[: len(STRIDES)]
    if "num_scales" in model.head:
        model.head.num_scales = len(STRIDES)
    if "trunk" in model.head:
        model.head.trunk.num_levels = len(STRIDES)
    model.num_classes = 12
    model.pixel_mean = [127.5, 127.5, 127.5]
    model.pixel_std = [64.0, 64.0, 64.0]
