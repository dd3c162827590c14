"""A frozen EfficientNet-Lite0 below a small FPN: little data, minutes on a CPU."""

from detectron2.config import LazyCall as L

from sepc.d2.backbones.efficientnet_lite import EfficientNetLite0

bottom_up = L(EfficientNetLite0)(cached=1000)


def make_frozen_efficientnet(model):
    """Give an FCOS with a trunk three levels, of strides 8 to 32, on the frozen backbone."""
    model.backbone.bottom_up = bottom_up
    model.backbone.in_features = ["res3", "res4", "res5"]
    model.backbone.top_block = None
    model.backbone.out_channels = 32
    model.head_in_features = ["p3", "p4", "p5"]
    model.head.trunk.num_levels = 3
    model.pixel_mean = [127.0, 127.0, 127.0]
    model.pixel_std = [128.0, 128.0, 128.0]
    # smaller than COCO's, as is the image: red cells of 80 pixels are decided at stride 16
    model.max_distance = 5.0
