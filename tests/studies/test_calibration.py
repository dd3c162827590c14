import pytest
import torch
from torch import nn

pytest.importorskip("detectron2")

from sepc import PyramidNorm
from studies.calibration import gain_table, measure_gain, plot_gain


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.BatchNorm2d(3)
        self.norm = PyramidNorm(nn.BatchNorm2d(3))

    def forward(self, x):
        return self.norm([self.backbone(x)])


def evaluate(model):
    """As if the running means were the result."""
    return {
        "AP": float(model.norm.shared.running_mean.mean()),
        "AP50": float(model.backbone.running_mean.mean()),
    }


@pytest.fixture
def gain():
    model = Model()
    model.norm.shared.running_mean.fill_(8)
    model.backbone.running_mean.fill_(8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batches = [torch.full((2, 3, 4, 4), 10.0) + torch.randn(2, 3, 4, 4) for _ in range(3)]
    result = measure_gain(model, evaluate, batches, alphas=(1.0, 0.5, 0.0))
    torch.testing.assert_close(model.state_dict(), before)
    return result


def test_each_share_is_measured_with_its_own_statistics(gain):
    def values(norms, metric):
        return [gain[norms][alpha][metric] for alpha in ("1", "0.5", "0")]

    # the pyramid's norm sees what the backbone's makes: by old statistics 2, by its own 0
    assert values("pyramid", "AP") == pytest.approx([8, 5, 2], abs=0.3)
    assert values("pyramid", "AP50") == pytest.approx([8, 8, 8])
    assert values("all", "AP") == pytest.approx([8, 4, 0], abs=0.3)
    assert values("all", "AP50") == pytest.approx([8, 9, 10], abs=0.3)


def test_table_and_figure(gain, tmp_path):
    lines = gain_table(gain, metric="AP50").splitlines()
    assert lines[0] == "| AP50, share of old statistics | 1 | 0.5 | 0 |"
    assert lines[2] == "| norms of the pyramid | 8.0 | 8.0 | 8.0 |"
    assert len(lines) == 4
    plot_gain(gain, tmp_path / "gain.png", metric="AP", on_source=9.0, title="a title")
    assert (tmp_path / "gain.png").stat().st_size > 1000
