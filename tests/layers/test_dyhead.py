"""DyHead against a plain computation level by level, and what its options do."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import deform_conv2d

from sepc import convert_state_dict
from sepc.checkpoint.names import restore_state_dict
from sepc.layers import DyHead

from ..helpers import make_pyramid, randomize

SIZES = [(9, 14), (5, 7), (3, 4), (2, 2), (1, 1)]


def make_head(in_channels=6, **options):
    options = {"out_channels": 8, "num_blocks": 2, "num_groups": 2, **options}
    return randomize(DyHead(in_channels, **options).double())


def pyramid(levels=5, channels=6):
    return make_pyramid(SIZES[:levels], channels, dtype=torch.float64)


def resize(x, like):
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


def plain_block(block, x):
    """Eq. 3 to 5 of the paper for one level after the other, in torch's and torchvision's words."""

    def hard_sigmoid(value):
        return F.relu6(value + 3) / 6

    def sampled(conv, of, raw):
        offset, mask = raw[:, :18], raw[:, 18:].sigmoid()
        stride = conv.conv.stride
        y = deform_conv2d(of, offset, conv.conv.weight, mask=mask, stride=stride, padding=1)
        return F.group_norm(y, conv.norm.num_groups, conv.norm.weight, conv.norm.bias)

    maps = []
    for level, own in enumerate(x):
        raw = block.offset(own)
        terms = [sampled(block.same, own, raw)]
        if level > 0:
            terms.append(sampled(block.from_finer, x[level - 1], raw))
        if level + 1 < len(x):
            terms.append(sampled(block.from_coarser, resize(x[level + 1], own), raw))
        y = 0
        for term in terms:
            weight = hard_sigmoid(F.relu(block.scale_attention(term.mean((2, 3), keepdim=True))))
            y = y + term * weight / len(terms)
        relu = block.task_attention
        hidden = F.relu(relu.hidden(y.mean((2, 3), keepdim=True)))
        a1, b1, a2, b2 = (hard_sigmoid(relu.coefficients(hidden)) - 0.5).chunk(4, dim=1)
        maps.append(torch.maximum(y * (1 + 2 * a1) + b1, y * 2 * a2 + b2))
    return maps


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_is_the_plain_computation(levels):
    head = make_head()
    expected = features = pyramid(levels)
    for block in head.blocks:
        expected = plain_block(block, expected)
    cls_features, box_features = head(features)
    torch.testing.assert_close(cls_features, expected)
    assert [x.shape for x in box_features] == [(2, 8, *size) for size in SIZES[:levels]]


def test_new_offsets_move_nothing():
    """All taps then have the modulation 1/2: half of an ordinary convolution, which GN undoes."""
    block = DyHead(6, out_channels=8, num_blocks=1, num_groups=2).double().blocks[0]
    nn.init.normal_(block.same.conv.weight)
    (x,) = pyramid(1)
    (term,) = block.same([x], [block.offset(x)])
    torch.testing.assert_close(term, block.same.norm(block.same.conv(x)), rtol=1e-4, atol=1e-4)


def test_misread_offsets_change_what_has_a_coarser_level():
    features = pyramid()
    resized, misread = make_head(num_blocks=1), make_head(num_blocks=1, coarser="misread")
    misread.load_state_dict(resized.state_dict())
    same = [
        torch.equal(x, y) for x, y in zip(resized(features)[0], misread(features)[0], strict=True)
    ]
    assert same == [False] * 4 + [True]


@pytest.mark.parametrize("coarser", ["resized", "misread"])
def test_torch_exports_it(coarser):
    head, features = make_head(num_blocks=1, coarser=coarser), pyramid(3)
    exported = torch.export.export(head, (features,)).module()
    torch.testing.assert_close(exported(features), head(features))


def test_names_of_mmdetection():
    ours = make_head(num_blocks=1).state_dict()
    theirs = {
        f"dyhead_blocks.0.{name}": name
        for name in (
            *(f"spatial_conv_offset.{x}" for x in ("weight", "bias")),
            *(
                f"spatial_conv_{which}.{x}"
                for which in ("high", "mid", "low")
                for x in ("conv.weight", "norm.weight", "norm.bias")
            ),
            *(f"scale_attn_module.1.{x}" for x in ("weight", "bias")),
            *(f"task_attn_module.conv{i}.conv.{x}" for i in (1, 2) for x in ("weight", "bias")),
        )
    }
    assert set(convert_state_dict(theirs)) == set(ours)
    whole = {
        "neck.0.lateral_convs.0.conv.bias": 0,
        **{f"neck.1.{name}": 0 for name in theirs},
        "bbox_head.atss_centerness.bias": 0,
    }
    converted = convert_state_dict(whole)
    assert {f"head.trunk.{name}" for name in ours} < set(converted)
    assert restore_state_dict(converted) == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 0}, r"expected channels of 1 or more, .* got 0 -> 8"),
        ({"out_channels": 7}, r"a multiple of num_groups=2 of them to go out, got 6 -> 7"),
        ({"num_blocks": 0}, "expected num_blocks of 1 or more, got 0"),
        ({"coarser": "wrong"}, "expected coarser 'resized' or 'misread', got 'wrong'"),
        ({"reduction": 9}, r"expected reduction in \[1, 8\], got 9"),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        make_head(**options)


def test_pyramid_that_does_not_fit_names_the_level():
    with pytest.raises(ValueError, match=r"level 1: expected shape \(N, 6, H, W\)"):
        make_head()([pyramid()[0], pyramid(2, channels=5)[1]])
    with pytest.raises(ValueError, match=r"expected 3 pyramid level\(s\), got 2"):
        make_head(num_levels=3)(pyramid(2))
