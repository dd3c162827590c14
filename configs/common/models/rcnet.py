"""RCNet in the place of a dense detector's FPN; the ResNet below and the head stay."""

from detectron2.config import LazyCall as L

from sepc.d2.backbones.rcnet import RCNetBackbone

backbone = L(RCNetBackbone)(
    bottom_up=None,
    in_features=["res3", "res4", "res5"],
    out_channels=256,
    num_levels=5,
    norm="BN",
    deform_groups=2,
    cross_scale=True,
)


def use_rcnet(model):
    """Put RCNet between the ResNet and the head of a model, with levels and channels of its FPN."""
    backbone.bottom_up = model.backbone.bottom_up
    backbone.in_features = model.backbone.in_features
    backbone.num_levels = len(model.head_in_features)
    backbone.out_channels = model.backbone.out_channels
    model.backbone = backbone
