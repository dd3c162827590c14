import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

import sepc

from .helpers import make_pyramid, randomize

SIZES = [(13, 10), (7, 5), (4, 3), (2, 2), (1, 1)]
VARIANTS = ["pconv", "pconv_ibn", "sepc_lite", "sepc"]


def group_norm(channels):
    return nn.GroupNorm(4, channels)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("options", [{}, dict(modulated=True, deform_groups=2, out_channels=12)])
@pytest.mark.parametrize("norm", [None, "BN", "FrozenBN", group_norm])
def test_optimized_trunk_computes_the_same(variant, options, norm):
    trunk = randomize(sepc.build_sepc(variant, 8, norm=norm, **options), scale=0.1)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    optimized = sepc.optimize_for_inference(trunk)
    features = make_pyramid(SIZES, 8)

    with torch.no_grad():
        expected = trunk.eval()(features)
        torch.testing.assert_close(optimized(features), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(trunk.state_dict(), before)
    assert not optimized.training and not any(p.requires_grad for p in optimized.parameters())
    norms = (nn.BatchNorm2d, FrozenBatchNorm2d)
    assert not any(isinstance(m, norms) for m in optimized.modules())


@pytest.mark.parametrize("variant", ["pconv_ibn", "sepc"])
def test_of_an_instance_batch_norm_the_batch_norm_is_folded(variant):
    trunk = randomize(sepc.build_sepc(variant, 7, norm="InstanceBN"), scale=0.1).eval()
    optimized = sepc.optimize_for_inference(trunk)
    features = make_pyramid(SIZES, 7)
    with torch.no_grad():
        torch.testing.assert_close(optimized(features), trunk(features), rtol=1e-4, atol=1e-5)
    kinds = [type(m) for m in optimized.modules()]
    assert nn.BatchNorm2d not in kinds and kinds.count(nn.InstanceNorm2d) == 6


def test_group_norm_stays():
    trunk = sepc.optimize_for_inference(sepc.build_sepc("pconv", 8, norm=group_norm))
    assert sum(isinstance(m, nn.GroupNorm) for m in trunk.modules()) == 6


class ConvWithNorm(nn.Conv2d):
    """Convolution and norm as Detectron2's ``Conv2d`` has them."""

    def __init__(self, *args, norm, **kwargs):
        super().__init__(*args, **kwargs)
        self.norm = norm

    def forward(self, x):
        x = super().forward(x)
        return x if self.norm is None else self.norm(x)


@pytest.mark.parametrize("bias", [False, True])
def test_norms_of_the_backbone_are_folded_too(bias):
    model = nn.Sequential(ConvWithNorm(3, 8, 3, bias=bias, norm=nn.BatchNorm2d(8)), nn.ReLU())
    model = randomize(model).eval()
    optimized = sepc.optimize_for_inference(model)
    x = torch.randn(2, 3, 6, 7)
    torch.testing.assert_close(optimized(x), model(x), rtol=1e-4, atol=1e-5)
    assert optimized[0].norm is None and model[0].norm is not None


def test_features_given_by_the_caller_are_not_written_to():
    trunk = sepc.optimize_for_inference(sepc.build_sepc("pconv", 8, num_stages=0))
    features = make_pyramid(SIZES, 8)
    copies = [x.clone() for x in features]
    with torch.no_grad():
        trunk(features)
    torch.testing.assert_close(features, copies)


def test_compiles_without_graph_breaks():
    # torch 2.6 can't follow a context manager: there the graph breaks, and the result is the same
    is_whole = hasattr(torch.compiler, "is_exporting")
    trunk = randomize(sepc.build_sepc("sepc", 8, num_stages=1), scale=0.1)
    trunk = sepc.optimize_for_inference(trunk)
    compiled = torch.compile(trunk, backend="eager", fullgraph=is_whole)
    features = make_pyramid(SIZES[:3], 8)
    with torch.no_grad():
        torch.testing.assert_close(compiled(features), trunk(features))
