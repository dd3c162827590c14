import pytest
import torch
from torch import nn

from sepc import SEPC, PyramidNorm, build_sepc

from ..helpers import make_pyramid, randomize

SIZES = [(13, 10), (7, 5), (4, 3), (2, 2), (1, 1)]
VARIANTS = ["pconv", "pconv_ibn", "sepc_lite", "sepc"]


def has_offsets(module):
    return any(
        ".offset." in name or name.startswith("offset.") for name, _ in module.named_parameters()
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_each_variant_is_made_of(variant):
    trunk = build_sepc(variant, 8)
    assert len(trunk.stages) == 4
    assert has_offsets(trunk.stages) == (variant == "sepc")
    for branch in (trunk.cls_branch, trunk.box_branch):
        assert has_offsets(branch) == variant.startswith("sepc")
    norms = [m for m in trunk.modules() if isinstance(m, PyramidNorm)]
    assert len(norms) == (0 if variant == "pconv" else 4 + 2)
    assert all(type(m.shared) is nn.BatchNorm2d for m in norms)


@pytest.mark.parametrize("training", [True, False])
def test_sepc_at_initialization_is_pconv_ibn(training):
    torch.manual_seed(0)
    sepc = build_sepc("sepc", 8).train(training)
    pconv_ibn = build_sepc("pconv_ibn", 8).train(training)
    plain = {name: v for name, v in sepc.state_dict().items() if ".offset." not in name}
    pconv_ibn.load_state_dict(plain)
    features = make_pyramid(SIZES, 8)
    torch.testing.assert_close(sepc(features), pconv_ibn(features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("num_levels", [1, 2, 5])
@pytest.mark.parametrize(("num_stages", "out_channels"), [(0, None), (1, 6), (3, 8)])
def test_any_pyramid(variant, num_levels, num_stages, out_channels):
    trunk = build_sepc(variant, 4, num_stages=num_stages, out_channels=out_channels)
    features = make_pyramid(SIZES[:num_levels], 4, requires_grad=True)
    outputs = trunk(features)
    for branch in outputs:
        assert [tuple(y.shape) for y in branch] == [
            (2, out_channels or 4, *size) for size in SIZES[:num_levels]
        ]
    sum(y.sum() for branch in outputs for y in branch).backward()
    unused = ["from_finer", "from_coarser", ".offset."] if num_levels == 1 else []
    if num_levels == 2:
        unused = ["from_coarser.offset"]  # only the finest level reads a coarser one, undeformed
    for name, parameter in trunk.named_parameters():
        assert (parameter.grad is None) == any(part in name for part in unused), name


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("modulated", [False, True])
def test_empty_batch(variant, training, modulated):
    trunk = build_sepc(variant, 4, modulated=modulated).train(training)
    for branch in trunk(make_pyramid(SIZES, 4, batch=0)):
        assert [tuple(y.shape) for y in branch] == [(0, 4, *size) for size in SIZES]
    assert all(torch.isfinite(v).all() for v in trunk.state_dict().values())


def test_valid_head_padding_shrinks_the_maps_and_is_the_inside_of_same():
    same = randomize(build_sepc("sepc_lite", 4).eval(), scale=0.1)
    valid = build_sepc("sepc_lite", 4, head_padding="valid").eval()
    valid.load_state_dict(same.state_dict())
    features = make_pyramid([(13, 10), (7, 5), (4, 3)], 4)
    for full, inner in zip(same(features), valid(features), strict=True):
        for x, y in zip(full, inner, strict=True):
            torch.testing.assert_close(y, x[:, :, 1:-1, 1:-1])


def test_without_cross_level_terms_no_level_sees_another():
    trunk = randomize(build_sepc("sepc", 4, num_stages=2, cross_level=False, norm=None))
    features = make_pyramid(SIZES, 4)
    before, _ = trunk(features)
    features[1] = features[1] + 1
    after, _ = trunk(features)
    changed = [not torch.equal(x, y) for x, y in zip(before, after, strict=True)]
    assert changed == [False, True, False, False, False]


def test_official_defaults():
    trunk = build_sepc("sepc", 8)
    assert isinstance(trunk, SEPC)
    assert (trunk.in_channels, trunk.out_channels, trunk.head_padding) == (8, 8, "same")
    assert all(p.shape[-1] == 3 for p in trunk.parameters() if p.dim() == 4)
    assert build_sepc("sepc", 8, head_padding="valid").head_padding == "valid"


def test_options_of_version_0_1_are_accepted_where_they_say_nothing():
    """As saved configs have them, which name the function by the module that it was in."""
    from sepc.layers.trunk import build_sepc as build_as_before

    assert build_as_before is build_sepc
    torch.manual_seed(0)
    expected = build_sepc("pconv_ibn", 8)
    torch.manual_seed(0)
    trunk = build_as_before(
        "pconv_ibn", in_channels=8, init_std=0.01, num_branch_convs=1, upsampling="corners"
    )
    torch.testing.assert_close(trunk.state_dict(), expected.state_dict())
    with pytest.raises(ImportError, match="no_such_name"):
        from sepc.layers.trunk import no_such_name  # noqa: F401


def test_an_ordinary_convolution_is_never_shared_between_branches():
    trunk = build_sepc("pconv", 4)
    features = make_pyramid(SIZES, 4)
    before = trunk(features)[1]
    randomize(trunk.cls_branch)
    after = trunk(features)[1]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_autocast_and_channels_last(variant):
    trunk = randomize(build_sepc(variant, 8).eval(), scale=0.05)
    features = make_pyramid(SIZES, 8)
    reference = trunk(features)[0][0]
    nhwc = [x.to(memory_format=torch.channels_last) for x in features]
    torch.testing.assert_close(trunk(nhwc)[0][0], reference, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = trunk(features)[0][0].float()
    assert (low - reference).norm() < 0.05 * reference.norm()


def test_not_a_number_stays_where_it_is_read():
    trunk = build_sepc("pconv", 4)
    features = make_pyramid(SIZES, 4)
    features[0][0] = float("nan")
    cls_features, _ = trunk(features)
    assert torch.isnan(cls_features[0][0]).all()
    assert torch.isfinite(cls_features[0][1]).all(), "one image has spoilt another"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(variant="sepc_light", in_channels=8), "expected one of .*'sepc_lite'.* got 'sepc_li"),
        (dict(variant="sepc", in_channels=8, stages=3), r"unknown override \['stages'\].*num_st"),
        (dict(variant="sepc", in_channels=0), "channels of 1 or more, got 0"),
        (dict(variant="sepc", in_channels=8, num_stages=-1), "num_stages .* got -1"),
        (dict(variant="sepc", in_channels=8, head_padding=1), "'same' or 'valid', got 1"),
        (dict(variant="sepc", in_channels=8, norm="IBN"), "unknown norm"),
        (dict(variant="sepc", in_channels=8, kernel_size=4), "odd"),
        (dict(variant="sepc", in_channels=8, deform_groups=3), "divisor of 8, got 3"),
        (
            dict(variant="sepc", in_channels=8, num_branch_convs=2),
            "num_branch.* expected 1.* got 2",
        ),
        (dict(variant="sepc", in_channels=8, init_std=None), "init_std .* expected 0.01, .* None"),
        (dict(variant="pconv", in_channels=8, upsampling="stride"), "'corners', .* got 'stride'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_sepc(**arguments)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([], "expected at least 1 pyramid level"),
        (torch.zeros(2, 4, 8, 8), "list of levels, got one tensor"),
        (make_pyramid([(8, 8), (4, 4)], 5), r"level 0: expected shape \(N, 4, H, W\), got \(2, 5"),
        (make_pyramid([(8, 8)], 4) + make_pyramid([(4, 4)], 3), r"level 1: .*got \(2, 3, 4, 4\)"),
        (make_pyramid([(9, 8), (4, 4)], 4), r"level 1: .* \(5, 4\) after \(9, 8\), got \(4, 4\)"),
        (make_pyramid([(8, 8), (4, 4), (4, 4)], 4), r"level 2: .* \(2, 2\)"),
        (make_pyramid([(8, 8)], 4) + make_pyramid([(4, 4)], 4, batch=1), "level 1: expected 2 im"),
        ([torch.zeros(4, 8, 8)], r"level 0: expected shape .* got \(4, 8, 8\)"),
    ],
)
def test_wrong_pyramids(features, message):
    with pytest.raises(ValueError, match=message):
        build_sepc("pconv", 4)(features)


def test_wrong_number_of_levels():
    trunk = build_sepc("pconv", 4, num_levels=3)
    with pytest.raises(ValueError, match=r"expected 3 pyramid level\(s\), got 5"):
        trunk(make_pyramid(SIZES, 4))


def test_valid_padding_needs_room():
    trunk = build_sepc("pconv", 4, head_padding="valid")
    with pytest.raises(ValueError, match=r"level 4: .* 3 x 3 cells, got 1 x 1"):
        trunk(make_pyramid(SIZES, 4))
