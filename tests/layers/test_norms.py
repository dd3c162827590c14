"""The norms themselves, and what makes each of them one over the pyramid."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import sepc
from sepc import PyramidNorm, build_sepc
from sepc.layers import (
    BatchChannelNorm,
    EstimatedBatchNorm2d,
    InstanceBatchNorm,
    LevelBatchNorm,
    SyncBatchNorm2d,
    Towers,
    make_norm,
)
from sepc.layers.weight_standardization import StandardizedWeights

from ..helpers import make_pyramid, randomize

SIZES = [(5, 7), (3, 4), (2, 2)]
EXACT = dict(rtol=1e-10, atol=1e-10)


def concatenate(features):
    return torch.cat([x.flatten(2) for x in features], dim=2).unsqueeze(2)


def bcn(channels):
    return BatchChannelNorm(channels, num_groups=2)


def test_level_batch_norm_is_a_batch_norm_per_level():
    norm = PyramidNorm(LevelBatchNorm(4, num_levels=3)).double()
    with torch.no_grad():
        norm.shared[0].weight.copy_(torch.tensor([0.5, 1.0, 2.0, -1.0]))
    oracles = [nn.BatchNorm2d(4).double() for _ in SIZES]
    for oracle in oracles:
        oracle.weight, oracle.bias = copy.deepcopy((norm.shared[0].weight, norm.shared[0].bias))
    features = make_pyramid(SIZES, 4, dtype=torch.float64, requires_grad=True)
    copies = [x.detach().clone().requires_grad_() for x in features]

    outputs = norm(features)
    expected = [oracle(x) for oracle, x in zip(oracles, copies, strict=True)]
    torch.testing.assert_close(outputs, expected, **EXACT)
    sum(y.pow(3).sum() for y in outputs).backward()
    sum(y.pow(3).sum() for y in expected).backward()
    for x, oracle_x in zip(features, copies, strict=True):
        torch.testing.assert_close(x.grad, oracle_x.grad, **EXACT)
    # one scale and shift: they collect the gradients of all levels
    torch.testing.assert_close(norm.shared[0].weight.grad, sum(o.weight.grad for o in oracles))
    assert len(list(norm.parameters())) == 2
    for own, oracle in zip(norm.shared, oracles, strict=True):
        torch.testing.assert_close(own.running_var, oracle.running_var)
        torch.testing.assert_close(own.running_mean, oracle.running_mean)
    for own, oracle in zip(norm.eval().shared, oracles, strict=True):
        oracle.eval()
        torch.testing.assert_close(own(features[0]), oracle(features[0]))


def test_level_batch_norm_has_a_number_of_levels():
    with pytest.raises(ValueError, match="LevelBN has statistics per level: expected num_levels"):
        build_sepc("pconv", 4, norm="LevelBN")
    norm = PyramidNorm(make_norm("LevelBN", 4, num_levels=3))
    with pytest.raises(ValueError, match=r"expected 3 pyramid level\(s\), got 2"):
        norm(make_pyramid(SIZES[:2], 4))
    with pytest.raises(ValueError, match="more than one position"):
        norm(make_pyramid([(3, 3), (2, 2), (1, 1)], 4, batch=1))


def test_shared_scale_and_shift_stay_shared():
    """In a copy, on another precision, and after loading."""
    norm = randomize(LevelBatchNorm(4, num_levels=3))
    copied = copy.deepcopy(norm).double()
    copied.load_state_dict(LevelBatchNorm(4, num_levels=3).state_dict())
    assert len({id(level.weight) for level in copied}) == 1
    torch.testing.assert_close(copied[2].weight, torch.ones(4, dtype=torch.float64))


def test_estimated_batch_norm_normalizes_by_its_running_statistics():
    norm = EstimatedBatchNorm2d(3, momentum=0.2).double()
    oracle = nn.BatchNorm2d(3, momentum=0.2).double()
    for seed in range(3):
        (x,) = make_pyramid([(4, 5)], 3, dtype=torch.float64, requires_grad=True, seed=seed)
        y = norm(2 * x + 1)
        oracle(2 * x + 1)  # its running statistics are the ones
        mean, var = oracle.running_mean.view(-1, 1, 1), oracle.running_var.view(-1, 1, 1)
        torch.testing.assert_close(y, (2 * x + 1 - mean) / (var + norm.eps).sqrt())
        # constants for the backward pass
        (grad,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(grad, (2 / (var + norm.eps).sqrt()).expand_as(x))
    torch.testing.assert_close(norm.state_dict(), oracle.state_dict())


def test_two_calls_of_an_estimated_norm_before_the_backward_pass():
    norm = EstimatedBatchNorm2d(3)
    first, second = (make_pyramid([(4, 5)], 3, seed=seed, requires_grad=True)[0] for seed in (0, 1))
    (norm(first).square().sum() + norm(second).square().sum()).backward()
    assert first.grad.isfinite().all() and second.grad.isfinite().all()


def test_batch_channel_norm_by_hand():
    """Over the pyramid: estimates of all positions, then groups of channels of each image."""
    norm = randomize(PyramidNorm(bcn(4)).double())
    features = make_pyramid(SIZES, 4, dtype=torch.float64)
    batch, channel = norm.shared.batch, norm.shared.channel
    samples = concatenate(features)
    mean = 0.9 * batch.running_mean + 0.1 * samples.mean((0, 2, 3))
    var = 0.9 * batch.running_var + 0.1 * samples.var((0, 2, 3), unbiased=True)

    def per_channel(x):
        return x.view(1, -1, 1, 1)

    outputs = concatenate(norm(features))
    z = (samples - per_channel(mean)) / (per_channel(var) + batch.eps).sqrt()
    z = z * per_channel(batch.weight) + per_channel(batch.bias)
    groups = z.reshape(2, 2, -1)  # images, groups
    groups = (groups - groups.mean(2, keepdim=True)) / (
        groups.var(2, keepdim=True, unbiased=False) + channel.eps
    ).sqrt()
    expected = groups.view_as(z) * per_channel(channel.weight) + per_channel(channel.bias)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(batch.running_mean, mean)
    torch.testing.assert_close(batch.running_var, var)


def test_batch_channel_norm_of_one_image_depends_on_no_other():
    """What makes it fit for a batch of one: in training, one image gives what two of it give."""
    norm = PyramidNorm(bcn(4)).double()
    other = copy.deepcopy(norm)
    one = make_pyramid(SIZES, 4, batch=1, dtype=torch.float64)
    two = [torch.cat([x, x]) for x in one]
    for x, y in zip(norm(one), other(two), strict=True):
        torch.testing.assert_close(x[0], y[1], rtol=1e-3, atol=1e-3)  # n / (n - 1) is another


@pytest.mark.parametrize("channels", [6, 7])
def test_instance_batch_norm_by_hand(channels):
    """Over the pyramid: a half by the cells of one image, of all levels, a half by those of all."""
    norm = randomize(PyramidNorm(InstanceBatchNorm(channels)).double())
    features = make_pyramid(SIZES, channels, dtype=torch.float64)
    samples = concatenate(features)
    parts = []
    for part, own, axes in zip(
        samples.split([3, channels - 3], dim=1),
        (norm.shared.instance, norm.shared.batch),
        ((2, 3), (0, 2, 3)),
        strict=True,
    ):
        mean, var = part.mean(axes, keepdim=True), part.var(axes, keepdim=True, unbiased=False)
        normed = (part - mean) / (var + own.eps).sqrt()
        parts.append(normed * own.weight.view(1, -1, 1, 1) + own.bias.view(1, -1, 1, 1))
    torch.testing.assert_close(concatenate(norm(features)), torch.cat(parts, dim=1))


def test_instance_batch_norm_takes_two_channels_at_least():
    with pytest.raises(ValueError, match="num_channels of 2 or more, got 1"):
        InstanceBatchNorm(1)


@pytest.mark.parametrize(("channels", "groups"), [(8, 4), (32, 16), (64, 32), (256, 32)])
def test_group_norm_is_no_instance_norm_in_a_narrow_pyramid(channels, groups):
    assert make_norm("GN", channels).num_groups == groups


@pytest.mark.parametrize("name", ["BN", "SyncBN", "GN", "BCN", "InstanceBN", "LevelBN"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_does_not_overflow(name, dtype):
    """Activations of 1e4, whose squares exceed float16, through every norm that has statistics."""
    features = [(1e4 * x).to(dtype).requires_grad_() for x in make_pyramid(SIZES, 32)]
    norm = PyramidNorm(make_norm(name, 32, num_levels=3))
    outputs = norm(features)
    sum(y.float().square().sum() for y in outputs).backward()
    assert all(y.isfinite().all() for y in outputs)
    assert all(x.grad.isfinite().all() for x in features)
    assert all(b.isfinite().all() for b in norm.buffers() if b.is_floating_point())
    assert all(b.dtype == torch.float32 for b in norm.buffers() if b.is_floating_point())


@pytest.mark.parametrize("name", ["BN", "SyncBN", "GN", "BCN", "LevelBN"])
def test_autocast(name):
    """The trunk under autocast: statistics of float32 maps to the precision of bfloat16."""
    torch.manual_seed(0)
    trunk = build_sepc("pconv_ibn", 32, num_stages=1, norm=name, num_levels=3)
    oracle = copy.deepcopy(trunk)
    features = make_pyramid(SIZES_HALVING, 32)
    expected = oracle(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = trunk(features)
    for y, target in zip(outputs[0], expected[0], strict=True):
        torch.testing.assert_close(y.float(), target, rtol=0.1, atol=0.1)
    for (key, value), target in zip(
        trunk.state_dict().items(), oracle.state_dict().values(), strict=True
    ):
        if "running" in key:
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, target, rtol=0.05, atol=0.01, msg=key)


SIZES_HALVING = [(8, 6), (4, 3), (2, 2)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["BN", "SyncBN", "GN", "LevelBN", "BCN"])
def test_recomputed_activations_change_nothing(name, training, monkeypatch):
    """The trunk with and without recipes in place of maps: the same gradients."""

    def gradients():
        torch.manual_seed(0)
        trunk = build_sepc("sepc", 32, num_stages=2, norm=name, num_levels=3).double()
        trunk.train(training)
        features = make_pyramid(SIZES_HALVING, 32, dtype=torch.float64, requires_grad=True)
        sum(y.square().sum() for branch in trunk(features) for y in branch).backward()
        return [x.grad for x in (*features, *trunk.parameters()) if x.grad is not None]

    actual = gradients()
    monkeypatch.setattr("sepc.layers.fast.integrated_bn.attach_recipe", lambda y, recipe: y)
    torch.testing.assert_close(actual, gradients(), **EXACT)


@pytest.mark.parametrize("name", ["SyncBN", "LevelBN", "BCN"])
@pytest.mark.parametrize("variant", ["pconv_ibn", "sepc"])
def test_optimized_for_inference(name, variant):
    trunk = build_sepc(variant, 32, num_stages=1, norm=name, num_levels=3)
    randomize(trunk, scale=0.1).eval()
    features = make_pyramid(SIZES_HALVING, 32)
    optimized = sepc.optimize_for_inference(trunk)
    with torch.no_grad():
        torch.testing.assert_close(optimized(features), trunk(features), rtol=1e-3, atol=1e-4)
    left = {
        type(m) for m in optimized.modules() if type(m).__module__ != "torch.nn.modules.container"
    }
    if name == "BCN":
        assert nn.GroupNorm in left and EstimatedBatchNorm2d not in left
    assert (nn.BatchNorm2d in left) == (name == "LevelBN")
    assert SyncBatchNorm2d not in left


@pytest.mark.parametrize("name", ["BN", "SyncBN", "LevelBN", "BCN", "GN", "FrozenBN", None])
def test_towers_take_every_norm(name):
    towers = Towers(in_channels=32, num_convs=2, norm=name, num_levels=3)
    features = make_pyramid(SIZES_HALVING, 32)
    outputs = towers(features)
    sum(y.sum() for branch in outputs for y in branch).backward()
    over_pyramid = [m for m in towers.modules() if isinstance(m, PyramidNorm)]
    assert len(over_pyramid) == (4 if name in ("BN", "SyncBN", "LevelBN", "BCN") else 0)
    assert isinstance(towers.cls_tower.convs[0], StandardizedWeights) == (name == "BCN")
    again = Towers(in_channels=32, num_convs=2, norm=name, num_levels=3)
    again.load_state_dict(towers.state_dict())


def test_towers_with_standardized_weights_are_optimized():
    towers = randomize(Towers(in_channels=32, num_convs=2, norm="BCN"), scale=0.1).eval()
    features = make_pyramid(SIZES_HALVING, 32)
    with torch.no_grad():
        optimized = sepc.optimize_for_inference(towers)
        torch.testing.assert_close(optimized(features), towers(features), rtol=1e-3, atol=1e-4)
    assert not any(getattr(m, "weight_standardization", False) for m in optimized.modules())


def test_sync_batch_norm_alone_is_batch_norm():
    """Also outside a pyramid, and without any processes."""
    (x,) = make_pyramid([(4, 5)], 3)
    norm, oracle = SyncBatchNorm2d(3), nn.BatchNorm2d(3)
    torch.testing.assert_close(norm(x), oracle(x))
    torch.testing.assert_close(norm.state_dict(), oracle.state_dict())
    torch.testing.assert_close(norm.eval()(x), oracle.eval()(x))


@pytest.mark.parametrize(("affine", "bias"), [(True, True), (True, False), (False, True)])
def test_sync_batch_norm_takes_the_arguments_of_batch_norm(affine, bias):
    norm = SyncBatchNorm2d(3, affine=affine, bias=bias, dtype=torch.float64, device="cpu")
    assert (norm.weight is None, norm.bias is None) == (not affine, not (affine and bias))
    assert norm.running_mean.dtype == torch.float64
    (x,) = make_pyramid([(4, 5)], 3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(norm(x), nn.BatchNorm2d(3).double()(x))
    norm(x).square().sum().backward()
    assert all(p.grad is not None for p in norm.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["BN", "SyncBN", "GN", "BCN", "LevelBN", "FrozenBN", None])
def test_trunk_wholly_in_low_precision(name, dtype):
    """Deforming, trained for a step: nearly the gradients of float32, and all of one type."""
    torch.manual_seed(0)
    exact = build_sepc("sepc", 32, num_stages=1, norm=name, num_levels=3)
    trunk = copy.deepcopy(exact).to(dtype)
    maps = make_pyramid(SIZES_HALVING, 32)
    for model, features in ((exact, maps), (trunk, [x.to(dtype) for x in maps])):
        branches = model(features)
        outputs = [y for branch in branches for y in branch]
        assert {y.dtype for y in outputs} == {features[0].dtype}
        weights = make_pyramid([y.shape[2:] for y in outputs], outputs[0].shape[1], seed=1)
        sum((y.float() * w).sum() for y, w in zip(outputs, weights, strict=True)).backward()
    for (key, p), expected in zip(trunk.named_parameters(), exact.parameters(), strict=True):
        assert p.grad.dtype == dtype
        if key.endswith(("same.weight", "finer.weight", "coarser.weight")):
            assert (p.grad - expected.grad).norm() <= 0.2 * expected.grad.norm(), key


def test_every_norm_is_one_for_an_optimizer():
    """Parameters lie in modules of torch's norm classes, as optimizers tell them (weight decay)."""
    norms = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)
    for name in ("BN", "SyncBN", "GN", "LevelBN", "BCN"):
        module = PyramidNorm(make_norm(name, 32, num_levels=2))
        holders = [m for m in module.modules() if list(m.parameters(recurse=False))]
        assert holders and all(isinstance(m, norms) for m in holders)


@pytest.mark.parametrize("trunk", ["sepc", "towers"])
@pytest.mark.parametrize("name", ["BN", "LevelBN", "BCN", "GN"])
@pytest.mark.parametrize("freeze", ["statistics", "all"])
def test_frozen_norms(trunk, name, freeze):
    options = dict(norm=name, num_levels=3, freeze_norm=freeze)
    if trunk == "sepc":
        module = build_sepc("pconv_ibn", 32, num_stages=1, **options)
    else:
        module = Towers(in_channels=32, num_convs=1, **options)
    detector = nn.Sequential(nn.BatchNorm2d(32), module)
    assert detector.train() is detector and module.train() is module
    assert module.training and detector[0].training
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    features = make_pyramid(SIZES_HALVING, 32, requires_grad=True)
    detector[0](features[0])
    sum(y.square().sum() for branch in module(features) for y in branch).backward()
    after = detector.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert {"0.running_mean", "0.running_var"} <= changed  # others are not touched
    assert not [key for key in changed if not key.startswith("0.")]
    trained = {key for key, p in module.named_parameters() if p.requires_grad}
    affine = {key for key, _ in module.named_parameters() if "norm" in key}
    assert affine and (not trained & affine if freeze == "all" else affine <= trained)
    assert all(key in trained for key, _ in module.named_parameters() if "norm" not in key)
    assert all(p.grad is None for key, p in module.named_parameters() if key not in trained)


def test_frozen_statistics_normalize_as_in_evaluation():
    trunk = randomize(build_sepc("pconv_ibn", 4, num_stages=1, freeze_norm="statistics"))
    features = make_pyramid(SIZES_HALVING, 4)
    in_training = trunk.train()(features)
    torch.testing.assert_close(in_training, trunk.eval()(features))


def test_unknown_freezing():
    with pytest.raises(ValueError, match=r"freeze: expected one of .*'all'.* got 'affine'"):
        build_sepc("pconv_ibn", 4, freeze_norm="affine")


def test_relu_of_a_norm():
    for name in ("BN", "SyncBN", "GN", "LevelBN", "BCN", "FrozenBN"):
        norm = PyramidNorm(make_norm(name, 32, num_levels=3))
        features = make_pyramid(SIZES, 32)
        expected = [F.relu(x) for x in copy.deepcopy(norm)(features)]
        torch.testing.assert_close(norm(features, relu=True), expected)


@pytest.mark.parametrize("channels", [8, 32, 64])
def test_statistics_of_bcn_matter_at_any_width(channels):
    """A group norm of single channels behind the BN would undo whatever its statistics are."""
    norm = make_norm("BCN", channels).eval()
    x = torch.randn(1, channels, 4, 4)
    before = norm(x)
    norm.batch.running_var.copy_(torch.rand(channels) + 0.1)
    assert not torch.allclose(norm(x), before, atol=0.1)
