"""RCNet beyond the numbers of its authors' code: sizes, shapes, export, folding."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import sepc
from sepc.layers.deform_conv import DeformConv2d
from sepc.layers.rcnet import RCNet, resize
from sepc.layers.rcnet.cross_scale import CrossScaleShift

from ..helpers import make_pyramid, randomize

SIZES = [(13, 10), (7, 5), (4, 3)]
CHANNELS = [3, 5, 4]


def backbone_maps(sizes=SIZES, channels=CHANNELS, batch=2):
    return [
        make_pyramid([size], c, batch=batch, seed=i)[0]
        for i, (size, c) in enumerate(zip(sizes, channels, strict=True))
    ]


@pytest.mark.parametrize(("count", "num_levels"), [(3, 5), (3, 3), (1, 3), (2, 4), (3, 7)], ids=str)
@pytest.mark.parametrize("channels", [6, 20])
def test_any_number_of_levels_and_channels(count, num_levels, channels):
    model = RCNet(CHANNELS[:count], channels, num_levels=num_levels).train()
    outputs = model(backbone_maps(SIZES[:count], CHANNELS[:count]))
    h, w = SIZES[0]
    expected = [(2, channels, -(-h // 2**i), -(-w // 2**i)) for i in range(num_levels)]
    assert [tuple(x.shape) for x in outputs] == expected
    sum(x.square().sum() for x in outputs).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_empty_batch_leaves_the_statistics():
    model = RCNet(CHANNELS, 8).train()
    outputs = model(backbone_maps(batch=0))
    assert [len(x) for x in outputs] == [0] * 5
    assert all((x == 0).all() for name, x in model.named_buffers() if "mean" in name)


def test_input_is_left_as_it_is():
    """Unlike the reference, which writes into its list."""
    maps = make_pyramid([(8, 8), (4, 4), (2, 2)], 8)
    copies = [x.clone() for x in maps]
    CrossScaleShift(8, 3, norm=None)(maps)
    torch.testing.assert_close(maps, copies)


@pytest.mark.parametrize("num_levels", [3, 4, 6])
def test_shift_is_a_roll_of_the_levels(num_levels):
    maps = make_pyramid([(2, 2)] * num_levels, 32)
    stacked = torch.stack(maps)
    expected = [
        stacked.roll(-step, 0)[:, :, 2 * i : 2 * i + 2] for i, step in enumerate((1, -1, 2, -2))
    ]
    found = CrossScaleShift(32, num_levels, norm=None).shifted(maps)
    torch.testing.assert_close(torch.stack(found), torch.cat([*expected, stacked], dim=2))


def test_convolutions_may_be_ordinary_and_without_norm():
    plain = RCNet(CHANNELS, 8, norm=None, deform_groups=0)
    assert not any(isinstance(m, DeformConv2d | nn.BatchNorm2d) for m in plain.modules())
    assert all(m.bias is not None for m in plain.modules() if isinstance(m, nn.Conv2d))
    assert len(plain(backbone_maps())) == 5
    assert RCNet(CHANNELS, 8, cross_scale=False).shift is None


def test_every_output_depends_on_every_input():
    model = randomize(RCNet([4, 4, 4], 16, num_levels=3), scale=0.1).eval()
    features = make_pyramid([(8, 8), (4, 4), (2, 2)], 4, requires_grad=True)
    for output in model(features):
        gradients = torch.autograd.grad(output.sum(), features, retain_graph=True)
        assert all(g.any() for g in gradients)


def test_folded_for_inference_it_computes_the_same():
    model = randomize(RCNet(CHANNELS, 8), scale=0.2).eval()
    optimized = sepc.optimize_for_inference(model)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in optimized.modules())
    with torch.no_grad():
        torch.testing.assert_close(
            optimized(backbone_maps()), model(backbone_maps()), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_levels=2), r"num_levels: expected 3 or more .*, got 2 for 3 map\(s\)"),
        (dict(in_channels=[]), r"got 5 for 0 map\(s\)"),
        (dict(out_channels=2), "out_channels: expected 4 or more, got 2"),
        (dict(out_channels=9), "deform_groups must divide in_channels: .* 9, got 2"),
        (dict(norm="LevelBN"), "LevelBN has statistics per level"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        RCNet(**{"in_channels": CHANNELS, "out_channels": 8, **arguments})


def test_wrong_maps_are_named():
    model = RCNet(CHANNELS, 8)
    with pytest.raises(ValueError, match=r"expected 3 pyramid level\(s\), got 2"):
        model(backbone_maps()[:2])
    with pytest.raises(ValueError, match=r"level 1: expected shape \(N, 5, H, W\), got"):
        model([x[:, :3] for x in backbone_maps()])
    with pytest.raises(ValueError, match=r"level 2: expected half .* \(4, 3\) after \(7, 5\)"):
        model([*backbone_maps()[:2], torch.zeros(2, 4, 3, 2)])


@pytest.mark.parametrize("cells", range(1, 14))
@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_exported_pooling_has_the_windows_of_the_adaptive_one(cells, ratio, monkeypatch):
    monkeypatch.setattr(resize, "is_exporting", lambda: True)
    x = torch.randn(2, 3, cells, cells + 2)
    for height in range(-(-cells // ratio), cells + 1):
        size = (height, -(-(cells + 2) // ratio))
        torch.testing.assert_close(
            resize.adaptive_max_pool(x, size, ratio=ratio), F.adaptive_max_pool2d(x, size)
        )


class FromOneMap(nn.Module):
    """RCNet on maps that are cut out of one, so that one size decides all."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        channels = self.model.in_channels
        return tuple(self.model([x[:, :c, :: 2**i, :: 2**i] for i, c in enumerate(channels)]))


SIZES_OF_A_FILE = [(40, 60), (23, 19), (37, 58), (8, 9), (1, 1), (64, 33)]


@pytest.mark.slow
def test_one_onnx_file_for_all_sizes(tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = FromOneMap(randomize(RCNet(CHANNELS, 8, num_levels=4), scale=0.2)).eval()
    axes = ({2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(model, (torch.randn(1, 5, 40, 60),), dynamic_shapes=axes)
    file = tmp_path / "rcnet.onnx"
    torch.onnx.export(program, dynamo=True, opset_version=20, verbose=False).save(str(file))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for size in SIZES_OF_A_FILE:
        x = torch.randn(1, 5, *size)
        found = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        with torch.no_grad():
            expected = model(x)
        for ours, theirs in zip(expected, found, strict=True):
            largest = float(ours.abs().max())
            torch.testing.assert_close(torch.from_numpy(theirs), ours, rtol=0, atol=1e-4 * largest)


def test_one_torchscript_for_all_sizes():
    model = FromOneMap(randomize(RCNet(CHANNELS, 8), scale=0.2)).eval()
    with torch.no_grad():
        traced = torch.jit.trace(model, (torch.randn(1, 5, 40, 60),), check_trace=False)
        for size in SIZES_OF_A_FILE:
            x = torch.randn(2, 5, *size)
            torch.testing.assert_close(traced(x), model(x), rtol=1e-4, atol=1e-4)
