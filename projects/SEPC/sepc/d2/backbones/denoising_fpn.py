"""DN-FPN (https://arxiv.org/abs/2406.05755): FPN with contrastive losses in training."""

from typing import Any

from detectron2.modeling import Backbone
from detectron2.modeling.backbone.fpn import FPN
from torch import Tensor

from ...layers import DenoisingEncoders
from ...methods.denoising import geometric_loss, semantic_loss


class DenoisingFPN(FPN):
    """Detectron2's ``FPN``, whose maps learn to carry less noise; in inference it is that FPN.

    Its weights are those of the FPN under the same names, and under ``denoising`` the encoders,
    which only training needs: see :class:`~sepc.layers.training_only.TrainingOnly`.

    The detectors of this package add :meth:`take_losses` to their own losses.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: list[str],
        out_channels: int,
        *,
        denoising_weight: float = 0.1,
        temperature: float = 0.5,
        **fpn: Any,
    ) -> None:
        """
        Args:
            bottom_up, in_features, out_channels, fpn: see Detectron2's ``FPN``.
            denoising_weight: of both losses; more than 0. The official code has 0.01 of their sums
                over images and levels: of our means, 0.08 for two images and four levels.
            temperature: see :func:`~sepc.methods.denoising.geometric_loss`; more than 0.

        Raises:
            ValueError: for a number out of its range.
        """
        if denoising_weight <= 0 or temperature <= 0:
            raise ValueError(
                "expected denoising_weight and temperature above 0, "
                f"got {denoising_weight} and {temperature}"
            )
        super().__init__(bottom_up, in_features, out_channels, **fpn)
        shapes = bottom_up.output_shape()
        channels = [shapes[name].channels for name in in_features]
        self.denoising: DenoisingEncoders | None = DenoisingEncoders(channels, out_channels)
        self.denoising_weight = denoising_weight
        self.temperature = temperature
        self._losses: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images (N, 3, H, W) to maps (N, C, Hl, Wl) by name of the level, fine to coarse.

        Raises:
            RuntimeError: in training, where nobody has taken the losses of the call before.
        """
        if not self.training or self.denoising is None:
            return super().forward(x)
        if self._losses:
            raise RuntimeError(
                "expected the detector to take the losses of DenoisingFPN after each call: "
                "the one-stage detectors of sepc.d2 do, Detectron2's own do not"
            )
        maps: dict[str, Tensor] = {}
        hook = self.bottom_up.register_forward_hook(lambda *call: maps.update(call[2]))
        try:
            features = super().forward(x)
        finally:
            hook.remove()
        levels = list(features.values())[: len(self.in_features)]
        encodings = self.denoising([maps[name] for name in self.in_features], levels)
        self._losses = {
            "loss_geometric": self.denoising_weight
            * geometric_loss(
                encodings.geometric, encodings.lateral_geometric, temperature=self.temperature
            ),
            "loss_semantic": self.denoising_weight
            * semantic_loss(
                encodings.semantic, encodings.lateral_semantic, temperature=self.temperature
            ),
        }
        return features

    def take_losses(self) -> dict[str, Tensor]:
        """Return the losses of the last call in training, once."""
        losses, self._losses = self._losses, {}
        return losses
