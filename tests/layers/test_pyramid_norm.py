from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from sepc import PyramidNorm
from sepc.layers import SyncBatchNorm2d, make_norm

from ..helpers import make_pyramid, randomize

SIZES = [(5, 7), (3, 4), (2, 2), (1, 1)]


def concatenate(features):
    """(N, C, 1, all positions): the pyramid as one map."""
    return torch.cat([x.flatten(2) for x in features], dim=2).unsqueeze(2)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "factory",
    [nn.BatchNorm2d, lambda c: nn.GroupNorm(2, c), FrozenBatchNorm2d],
    ids=["BN", "GN", "FrozenBN"],
)
def test_is_the_norm_of_the_concatenation(factory, training):
    pyramid_norm = randomize(PyramidNorm(factory(4)).double()).train(training)
    oracle = factory(4).double().train(training)
    oracle.load_state_dict(pyramid_norm.shared.state_dict())
    features = make_pyramid(SIZES, 4, dtype=torch.float64, requires_grad=True)
    copies = [x.detach().clone().requires_grad_() for x in features]

    actual = concatenate(pyramid_norm(features))
    expected = oracle(concatenate(copies))
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(pyramid_norm.shared.state_dict(), oracle.state_dict())

    weights = torch.randn_like(expected)
    (actual * weights).sum().backward()
    (expected * weights).sum().backward()
    for x, copy in zip(features, copies, strict=True):
        torch.testing.assert_close(x.grad, copy.grad)
    for ours, theirs in zip(pyramid_norm.parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_running_statistics_by_hand():
    """Every position of every level and image is one sample; the variance is the unbiased one."""
    pyramid_norm = PyramidNorm(nn.BatchNorm2d(3, momentum=1.0).double())
    features = make_pyramid(SIZES, 3, batch=2, dtype=torch.float64)
    pyramid_norm(features)
    for channel in range(3):
        samples = np.concatenate([x[:, channel].numpy().ravel() for x in features])
        assert samples.size == 2 * (35 + 12 + 4 + 1)
        bn = pyramid_norm.shared
        np.testing.assert_allclose(bn.running_mean[channel].item(), samples.mean())
        np.testing.assert_allclose(bn.running_var[channel].item(), samples.var(ddof=1))


def test_names_and_callables():
    assert isinstance(make_norm("BN", 8), nn.BatchNorm2d)
    assert isinstance(make_norm("SyncBN", 8), SyncBatchNorm2d)
    assert isinstance(make_norm("FrozenBN", 8), FrozenBatchNorm2d)
    assert make_norm("GN", 64).num_groups == 32
    assert make_norm(lambda c: nn.GroupNorm(4, c), 8).num_groups == 4
    assert make_norm("", 8) is None and make_norm(None, 8) is None
    with pytest.raises(ValueError, match=r"expected one of \['BN'.*got 'BatchNorm'"):
        make_norm("BatchNorm", 8)


def test_conversions_of_ordinary_norms_work():
    """The norm is an ordinary child, so torch's own converters find it."""
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(PyramidNorm(nn.BatchNorm2d(3)))
    assert isinstance(converted.shared, nn.SyncBatchNorm)


def without_bias(channels):
    """As ``bias=False`` makes it in the latest versions of torch."""
    norm = nn.BatchNorm2d(channels)
    norm.register_parameter("bias", None)
    return norm


OPTIONS = {
    "default": nn.BatchNorm2d,
    "eps": partial(nn.BatchNorm2d, eps=0.5),
    "no scale, no shift": partial(nn.BatchNorm2d, affine=False),
    "no shift": without_bias,
    "cumulative average": partial(nn.BatchNorm2d, momentum=None),
    "no running statistics": partial(nn.BatchNorm2d, track_running_stats=False),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("dtype", "error"),
    [(torch.float64, 1e-12), (torch.bfloat16, 0.02), (torch.float16, 0.003)],
    ids=str,
)
@pytest.mark.parametrize("make", OPTIONS.values(), ids=OPTIONS)
def test_options_and_precisions_of_batch_norm(make, dtype, error, training):
    """Everything is as of torch's own norm: in the same low precision, and near float64."""
    pyramid_norm = randomize(PyramidNorm(make(4))).to(dtype).train(training)
    same, exact = (make(4).to(t).train(training) for t in (dtype, torch.float64))
    same.load_state_dict(pyramid_norm.shared.state_dict())
    exact.load_state_dict(pyramid_norm.shared.state_dict())
    for seed in range(3):
        features = make_pyramid(SIZES, 4, dtype=dtype, seed=seed, requires_grad=True)
        whole = concatenate([x.detach() for x in features])
        weights = torch.randn(whole.shape, dtype=torch.float64).to(dtype)
        ours = [concatenate(pyramid_norm(features)), *features, *pyramid_norm.parameters()]
        results = [results_of(ours, weights)]
        for norm in (same, exact):
            x = whole.to(weights.dtype if norm is same else torch.float64).requires_grad_()
            results.append(results_of([norm(x), x, *norm.parameters()], weights.to(x.dtype)))
        for ours, *theirs in zip(*results, strict=True):
            assert ours.dtype == theirs[0].dtype
            for expected in theirs:
                assert (ours.double() - expected.double()).norm() <= error * expected.norm()
    for name, value in exact.state_dict().items():
        torch.testing.assert_close(
            pyramid_norm.shared.state_dict()[name].double(), value.double(), rtol=error, atol=error
        )


def results_of(tensors, weights):
    """What a norm gives, and the gradients of maps (as one) and parameters, which it changes."""
    y, *sources = tensors
    grads = torch.autograd.grad((y * weights).sum(), sources)
    maps = [g for g in grads if g.dim() == 4]
    return [y.detach(), concatenate(maps), *grads[len(maps) :]]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("make", OPTIONS.values(), ids=OPTIONS)
def test_an_empty_batch_changes_nothing(make, dtype, training):
    pyramid_norm = randomize(PyramidNorm(make(3))).to(dtype).train(training)
    before = {name: value.clone() for name, value in pyramid_norm.state_dict().items()}
    outputs = pyramid_norm(make_pyramid(SIZES, 3, batch=0, dtype=dtype))
    assert [(y.dtype, tuple(y.shape)) for y in outputs] == [(dtype, (0, 3, *s)) for s in SIZES]
    torch.testing.assert_close(pyramid_norm.state_dict(), before)
    if list(pyramid_norm.parameters()):
        sum(y.sum() for y in outputs).backward()
    assert all(p.grad is not None and not p.grad.any() for p in pyramid_norm.parameters())


def test_without_running_statistics_eval_mode_takes_those_of_the_batch():
    pyramid_norm = PyramidNorm(nn.BatchNorm2d(4, track_running_stats=False)).eval()
    features = make_pyramid(SIZES, 4)
    normed = concatenate(pyramid_norm(features))
    torch.testing.assert_close(normed.mean(dim=(0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-5)


def test_gradients():
    pyramid_norm = PyramidNorm(nn.BatchNorm2d(2).double())
    features = make_pyramid([(3, 2), (2, 1)], 2, dtype=torch.float64, requires_grad=True)
    parameters = list(pyramid_norm.parameters())

    def function(*_):
        return tuple(pyramid_norm(features))

    assert torch.autograd.gradcheck(function, [*features, *parameters])


def test_a_level_without_gradient():
    """A loss may read some levels only."""
    pyramid_norm = PyramidNorm(nn.BatchNorm2d(3).double())
    oracle = nn.BatchNorm2d(3).double()
    features = make_pyramid(SIZES, 3, dtype=torch.float64, requires_grad=True)
    copies = [x.detach().clone().requires_grad_() for x in features]
    pyramid_norm(features)[1].square().sum().backward()
    oracle(concatenate(copies)).split([35, 12, 4, 1], dim=3)[1].square().sum().backward()
    for x, copy in zip(features, copies, strict=True):
        torch.testing.assert_close(x.grad, copy.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_statistics_do_not_overflow(dtype):
    """Activations of 1e4 have a variance far above the largest float16."""
    features = [(1e4 * x).to(dtype).requires_grad_() for x in make_pyramid(SIZES, 3)]
    pyramid_norm = PyramidNorm(nn.BatchNorm2d(3, momentum=1.0))
    outputs = pyramid_norm(features)
    oracle = nn.BatchNorm2d(3, momentum=1.0)
    expected = oracle(concatenate([x.detach().float() for x in features]))
    assert outputs[0].dtype == dtype
    torch.testing.assert_close(concatenate(outputs).float(), expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(pyramid_norm.shared.running_var, oracle.running_var)
    sum(y.float().square().sum() for y in outputs).backward()
    assert all(torch.isfinite(x.grad).all() for x in features)


def test_hooks_of_the_norm_see_all_samples():
    pyramid_norm = PyramidNorm(nn.BatchNorm2d(3))
    seen = []
    pyramid_norm.shared.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numel()))
    pyramid_norm(make_pyramid(SIZES, 3))
    assert seen == [2 * 3 * (35 + 12 + 4 + 1)]


def test_a_single_position_has_no_variance():
    with pytest.raises(ValueError, match=r"more than one position.*\(1, 3, 1, 1\)"):
        PyramidNorm(nn.BatchNorm2d(3))(make_pyramid([(1, 1)], 3, batch=1))
