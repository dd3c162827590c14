"""Deformable convolution (DCNv1, and DCNv2 when modulated) as the scale-equalizing kernels use it.

The module is an ordinary convolution plus one that predicts where its taps sample. The operator
has two equal forms: torchvision's, and the one of :mod:`.deform_sampling`, which is several times
as fast on a CPU.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d as torchvision_deform_conv2d

from .fast.deform_sampling import deform_conv2d_by_sampling
from .pyramid import is_exporting

_SMALL = 4096  # cells of a map, all images together, that the number of calls matters for


class DeformConv2d(nn.Conv2d):
    """A convolution whose taps are moved by offsets predicted from its own input.

    Source: DCNv1 https://arxiv.org/abs/1703.06211, Sec 2.1; DCNv2 (``modulated``)
    https://arxiv.org/abs/1811.11168, Eq. 1.

    The offset convolution starts at zero, so a new module equals the ordinary convolution with
    the same weights. With ``modulated`` the modulation then is sigmoid(0), and a new module gives
    half of the ordinary convolution (before the bias), as UniverseNet's does.

    ``nn.Conv2d.forward(module, x)`` is the ordinary convolution with the same weights, as pyramid
    convolution uses at the finest level.

    Args:
        deform_groups: the input channels are cut into this many groups, each with its own offsets.
        modulated: weigh every tap by a predicted factor in (0, 1).

    Other arguments mean the same as in :class:`torch.nn.Conv2d`.

    Raises:
        ValueError: if ``in_channels`` is not divisible by ``deform_groups``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
        deform_groups: int = 1,
        modulated: bool = False,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias
        )
        if deform_groups < 1 or in_channels % deform_groups:
            raise ValueError(
                f"deform_groups must divide in_channels: expected a divisor of {in_channels}, "
                f"got {deform_groups}"
            )
        self.deform_groups = deform_groups
        self.modulated = modulated
        taps = self.kernel_size[0] * self.kernel_size[1]
        # Unlike the official code: the offset convolution is dilated as the kernel is (the
        # official one leaves it out; no published model has dilation other than 1).
        self.offset = nn.Conv2d(
            in_channels,
            (3 if modulated else 2) * deform_groups * taps,
            kernel_size,
            stride,
            padding,
            dilation,
        )
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]

    def sampling(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Predict where and how strongly the taps sample.

        Args:
            x: (N, C, H, W).

        Returns:
            offsets (N, 2 * groups * taps, Ho, Wo) in cells of ``x``, laid out (group, tap, (y, x)),
            and the modulation (N, groups * taps, Ho, Wo) in (0, 1), or None if not ``modulated``.
        """
        return self.split_sampling(self.offset(x))

    def split_sampling(self, raw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Split what ``offset`` predicts into offsets and modulation, see :meth:`sampling`."""
        if not self.modulated:
            return raw, None
        num_offsets = raw.shape[1] // 3 * 2
        return raw[:, :num_offsets], raw[:, num_offsets:].sigmoid()

    def forward(self, input: Tensor) -> Tensor:
        """Convolve one map, (N, C, H, W) -> (N, out_channels, Ho, Wo)."""
        return self.forward_levels([input])[0]

    def forward_levels(self, maps: Sequence[Tensor], weight: Tensor | None = None) -> list[Tensor]:
        """Convolve L maps (N, C, Hl, Wl), to L maps (N, out_channels, Ho, Wo).

        Args:
            weight: in place of its own, if given. Offsets and modulation are predicted as ever.
        """
        sampling = [self.sampling(x) for x in maps]
        return deform_conv2d_levels(
            maps,
            [offset for offset, _ in sampling],
            self.weight if weight is None else weight,
            self.bias,
            masks=[mask for _, mask in sampling if mask is not None],
            stride=_pair(self.stride),
            padding=_pair(self.padding),
            dilation=_pair(self.dilation),
        )

    def extra_repr(self) -> str:
        extra = super().extra_repr()
        if self.deform_groups != 1:
            extra += f", deform_groups={self.deform_groups}"
        return extra + (", modulated=True" if self.modulated else "")


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = (1, 1),
    padding: int | tuple[int, int] = (0, 0),
    dilation: int | tuple[int, int] = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """Deformable convolution by the fastest form for the device.

    Arguments, layouts, result (to rounding) and errors are those of
    :func:`torchvision.ops.deform_conv2d`, which computes what the fast form is not for, and refuses
    what is wrong. When a model is exported its operator is used, which ONNX has a standard one for.

    Raises:
        ValueError: a stride below 1, at which torchvision's operator ends the process.
        RuntimeError: from torchvision, whatever else is wrong.
    """
    geometry = dict(stride=_pair(stride), padding=_pair(padding), dilation=_pair(dilation))
    if min(geometry["stride"]) < 1:
        raise ValueError(f"stride: expected 1 or more, got {stride}")
    if is_exporting() or not _is_consistent(input, offset, weight, bias, mask, **geometry):
        return _by_torchvision(input, offset, weight, bias, mask=mask, **geometry)
    masks = [] if mask is None else [mask]
    return deform_conv2d_levels([input], [offset], weight, bias, masks=masks, **geometry)[0]


def _is_consistent(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> bool:
    """Whether all shapes and types go together, with one group of weights."""
    tensors = [t for t in (x, offset, weight, bias, mask) if t is not None]
    if x.dim() != 4 or offset.dim() != 4 or weight.dim() != 4 or x.shape[1] != weight.shape[1]:
        return False
    if min(*weight.shape, *dilation) < 1 or min(padding) < 0:
        return False
    if len({t.device for t in tensors}) > 1 or (
        len({t.dtype for t in tensors}) > 1 and not torch.is_autocast_enabled(x.device.type)
    ):
        return False
    (n, channels, *size), (c_out, _, *kernel) = x.shape, weight.shape
    sides = zip(size, kernel, stride, padding, dilation, strict=True)
    out_size = [(i + 2 * p - d * (k - 1) - 1) // s + 1 for i, k, s, p, d in sides]
    taps = kernel[0] * kernel[1]
    groups = offset.shape[1] // (2 * taps)
    return (
        min(out_size) > 0
        and groups > 0
        and channels % groups == 0
        and offset.shape == (n, 2 * groups * taps, *out_size)
        and (mask is None or mask.shape == (n, groups * taps, *out_size))
        and (bias is None or bias.shape == (c_out,))
    )


def deform_conv2d_levels(
    maps: Sequence[Tensor],
    offsets: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    masks: Sequence[Tensor] = (),
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> list[Tensor]:
    """:func:`deform_conv2d` of L maps, L offsets and L masks (or none) with one kernel.

    Sizes are not checked: they are those that :class:`DeformConv2d` makes.
    """
    geometry = dict(stride=stride, padding=padding, dilation=dilation)
    if not maps:
        return []
    if maps[0].device.type == "cpu" and not is_exporting() and all(x.numel() > 0 for x in maps):
        outputs: dict[int, Tensor] = {}
        for group in _groups(maps):
            results = deform_conv2d_by_sampling(
                [maps[i] for i in group],
                [offsets[i] for i in group],
                weight,
                bias,
                masks=[masks[i] for i in group] if masks else (),
                **geometry,
            )
            outputs.update(zip(group, results, strict=True))
        return [outputs[i] for i in range(len(maps))]
    no_masks: list[Tensor | None] = [None] * len(maps)
    return [
        _by_torchvision(x, offset, weight, bias, mask=mask, **geometry)
        for x, offset, mask in zip(maps, offsets, masks or no_masks, strict=True)
    ]


def _groups(maps: Sequence[Tensor]) -> list[list[int]]:
    """Group maps by index: large ones alone, as a shared table copies them, small ones together."""
    cells = [x.shape[0] * x.shape[2] * x.shape[3] for x in maps]
    small = [i for i, n in enumerate(cells) if n <= _SMALL]
    return [[i] for i, n in enumerate(cells) if n > _SMALL] + ([small] if small else [])


def _by_torchvision(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    mask: Tensor | None,
    **geometry: tuple[int, int],
) -> Tensor:
    device = x.device.type
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    if autocast:
        x = x.to(torch.get_autocast_dtype(device))
    is_low = x.dtype == weight.dtype and x.dtype in (torch.bfloat16, torch.float16)
    if device != "cpu" or not (autocast or is_low):
        return torchvision_deform_conv2d(x, offset, weight, bias, mask=mask, **geometry)
    # it has no kernel for low precision on a CPU
    precise = torch.promote_types(weight.dtype, torch.float32)
    bias, mask = (None if t is None else t.to(precise) for t in (bias, mask))
    tensors = [t.to(precise) for t in (x, offset, weight)]
    return torchvision_deform_conv2d(*tensors, bias, mask=mask, **geometry).to(x.dtype)


def _pair(value: object) -> tuple[int, int]:
    """Make (vertical, horizontal) of a number or a pair, which torch types more loosely."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return int(value[0]), int(value[1])
    raise ValueError(f"expected a number or a pair of numbers, got {value!r}")
