import copy

import pytest
import torch
from detectron2.config import LazyConfig, instantiate
from torch import nn

from sepc import PyramidNorm, build_sepc
from sepc.commands.calibrate_norm import main
from sepc.d2 import engine
from sepc.d2.calibrate import batches_of, calibrate, norms_to_calibrate
from sepc.d2.norm import EvalBatchNorm2d
from sepc.layers import make_norm

from ..helpers import make_pyramid, randomize
from .helpers import tiny_config

SIZES = [(6, 5), (3, 3), (2, 2)]


class Detector(nn.Module):
    """A backbone's norm, a norm over the pyramid, and no need of ground truth."""

    def __init__(self, name="BN", backbone_norm=nn.BatchNorm2d):
        super().__init__()
        self.backbone = backbone_norm(32)
        self.norm = PyramidNorm(make_norm(name, 32, num_levels=3))

    def forward(self, features):
        assert not self.training
        return self.norm([self.backbone(x) for x in features[:1]] + features[1:])


def batches(count=4, shift=0.0):
    """Batches of different sizes, whose statistics are not those of the whole."""
    return [
        [3 * x + shift + i for x in make_pyramid(SIZES, 32, batch=1 + i % 2, seed=i)]
        for i in range(count)
    ]


def all_samples(data, level=None):
    """(C, samples) of all batches, of one level or all."""
    picked = [x for batch in data for x in (batch if level is None else [batch[level]])]
    return torch.cat([x.transpose(0, 1).flatten(1) for x in picked], dim=1)


@pytest.mark.parametrize("name", ["BN", "SyncBN", "BCN", "LevelBN", "naiveSyncBN_N"])
def test_statistics_are_those_of_all_samples(name):
    model = randomize(Detector(name))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.backbone = nn.Identity()
    calibrate(model, batches(), num_batches=4)
    norms = norms_to_calibrate(model)
    for i, norm in enumerate(norms):
        samples = all_samples(batches(), i if name == "LevelBN" else None)
        torch.testing.assert_close(norm.running_mean, samples.mean(1))
        torch.testing.assert_close(norm.running_var, samples.var(1, unbiased=False))
    for key, value in model.state_dict().items():
        if "running" not in key:
            torch.testing.assert_close(value, before[key], msg=key)


def test_alpha_mixes_old_and_new():
    source = randomize(Detector())
    precise, half, kept = (copy.deepcopy(source) for _ in range(3))
    for model, alpha in [(precise, 0.0), (half, 0.5), (kept, 1.0)]:
        calibrate(model, batches(shift=5), num_batches=4, alpha=alpha)
    torch.testing.assert_close(kept.state_dict(), source.state_dict())
    for name in ("running_mean", "running_var"):
        old, new = getattr(source.norm.shared, name), getattr(precise.norm.shared, name)
        torch.testing.assert_close(getattr(half.norm.shared, name), (old + new) / 2)
        assert (new - old).abs().max() > 1


def test_modes_stay_and_the_backbone_is_a_choice():
    model = Detector(backbone_norm=EvalBatchNorm2d)
    model.norm = PyramidNorm(nn.BatchNorm2d(32), freeze="statistics")
    model.train()
    modes = [m.training for m in model.modules()]
    calibrate(model, batches(), num_batches=2)
    assert [m.training for m in model.modules()] == modes
    assert model.norm.shared.running_mean.abs().max() > 0.1  # frozen ones, too
    torch.testing.assert_close(model.backbone.running_mean, torch.zeros(32))
    calibrate(model, batches(), num_batches=2, norms="all")
    assert model.backbone.running_mean.abs().max() > 0.1
    assert [m.training for m in model.modules()] == modes


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (Detector(), dict(alpha=1.5), "alpha: expected 0 to 1, got 1.5"),
        (Detector(), dict(num_batches=0), "num_batches: expected 1 or more, got 0"),
        (Detector(), dict(norms="none"), "norms: expected one of .* got 'none'"),
        (Detector("GN"), {}, r"batch norms with running statistics \(pyramid\), found 0"),
        (Detector("FrozenBN"), {}, "frozen BN and GN have no statistics to calibrate"),
    ],
)
def test_what_cannot_be_calibrated(model, options, message):
    with pytest.raises(ValueError, match=message):
        calibrate(model, batches(), **{"num_batches": 2, **options})


def test_batches_are_drawn_from_a_data_set(tiny_data, tmp_path):
    mapper = instantiate(tiny_config(tmp_path).dataloader.test.mapper)
    count, some = batches_of("tiny_train", mapper, images=5, batch_size=2)
    names = [x["file_name"] for batch in some for x in batch]
    assert count == 2 and len(set(names)) == len(names) == 4
    with pytest.raises(ValueError, match="a batch of 8 images or more, got 6 of tiny_train"):
        batches_of("tiny_train", mapper, images=50, batch_size=8)
    with pytest.raises(ValueError, match="got 0 and 2"):
        batches_of("tiny_train", mapper, images=0, batch_size=2)


@pytest.fixture
def command(tiny_data, tmp_path):
    """A checkpoint, and the command without its weights."""
    cfg = tiny_config(tmp_path)
    torch.manual_seed(0)
    model = instantiate(cfg.model)
    torch.save({"model": model.state_dict(), "iteration": 7}, tmp_path / "in.pth")
    config = str(tmp_path / "config.yaml")
    LazyConfig.save(tiny_config(tmp_path, **{"model.backbone.out_channels": 64}), config)
    return ["--config-file", config, "--dataset", "tiny_train", "--images", "4"]


def test_tool(command, tmp_path, capsys):
    source, target = str(tmp_path / "in.pth"), str(tmp_path / "new" / "out.pth")
    overrides = ["model.backbone.out_channels=8", "dataloader.train.total_batch_size=2"]
    assert main([*command, "--weights", source, target, *overrides]) == 0
    assert "alpha 0.0, norms pyramid, dataset tiny_train, images 4" in capsys.readouterr().out
    before, after = (torch.load(path, weights_only=True)["model"] for path in (source, target))
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert changed and all("norm.shared.running" in key for key in changed)
    assert len(changed) == 2 * 6
    model = instantiate(tiny_config(tmp_path).model)
    engine.Checkpointer(model).load(target, strict=True)


def test_tool_says_what_is_wrong_and_leaves_no_file(command, tmp_path, capsys):
    source, target = str(tmp_path / "in.pth"), str(tmp_path / "out.pth")
    cases = [
        ([source, target], [], "has other shapes than the model"),
        ([str(tmp_path / "no.pth"), target], [], "checkpoint not found"),
        ([source, target], ["--dataset", "tiny_trian"], "similar names: tiny_train"),
        ([source, target], ["--alpha", "2"], "alpha: expected 0 to 1"),
    ]
    for weights, flags, message in cases:
        small = [] if "shapes" in message else ["model.backbone.out_channels=8"]
        small.append("dataloader.train.total_batch_size=2")
        assert main([*command, "--weights", *weights, *flags, *small]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out.pth").exists()


def test_a_calibrated_trunk_can_be_folded():
    from sepc import optimize_for_inference

    trunk = build_sepc("pconv_ibn", 8, num_stages=1)
    calibrate(trunk, [make_pyramid([(6, 5), (3, 3)], 8)], num_batches=1)
    features = make_pyramid([(6, 5), (3, 3)], 8, seed=1)
    with torch.no_grad():
        expected = trunk.eval()(features)
        torch.testing.assert_close(
            optimize_for_inference(trunk)(features), expected, rtol=1e-4, atol=1e-4
        )
