import torch

from sepc.d2.norm import EvalBatchNorm2d


def test_statistics_stay_and_scale_trains():
    norm = EvalBatchNorm2d(3)
    assert norm.train() is norm
    x = torch.randn(4, 3, 5, 5) * 3 + 2
    y = norm(x)
    torch.testing.assert_close(y, x / (1 + norm.eps) ** 0.5)
    y.square().mean().backward()
    assert norm.weight.grad.abs().min() > 0
    assert norm.bias.grad.abs().min() > 0
    torch.testing.assert_close(norm.running_mean, torch.zeros(3))
    assert norm.num_batches_tracked == 0
