"""3x3 convolution with a quarter of the multiplications, for wide maps on a CPU.

Winograd's minimal filtering F(4x4, 3x3): a tile of 6x6 cells and the kernel are transformed so that
their 36 products, one per place, hold a tile of 4x4 results, where the definition takes 144. The
products over all channels are 36 matrix products. All levels of a pyramid go through together, so
that the small ones cost what their cells cost.

Source: Lavin and Gray, https://arxiv.org/abs/1509.09308, Sec 4. The transforms interpolate at 0, 1,
-1, 1/2, -2 and infinity, after Barabasz et al., https://arxiv.org/abs/1803.10986: the error is half
of that at the usual 0, 1, -1, 2, -2, some 4e-6 of the largest value of a map where oneDNN's
convolution has 1e-6. Measured on one core with AVX-512 against that convolution, over a whole
pyramid: half the time with 256 channels, two thirds with 128, no gain with 64; of both gradients,
too.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .tiles import (
    TILE,
    Piece,
    crop,
    empty_map,
    group_tiles,
    largest_group,
    pad_to_tiles,
    places_of,
)

SPAN = TILE + 2  # cells a side of what a tile is made from

# Rows are the six points. Those of the tile and of the kernel are scaled against each other, which
# cancels, so that no entry is larger than 3.
_KERNEL = [
    [2.0, 0.0, 0.0],
    [5 / 6, 5 / 6, 5 / 6],
    [5 / 6, -5 / 6, 5 / 6],
    [32 / 15, 16 / 15, 8 / 15],
    [1 / 15, -2 / 15, 4 / 15],
    [0.0, 0.0, 2.0],
]
_SPAN_IN = [
    [0.5, -0.75, -1.0, 0.75, 0.5, 0.0],
    [0.0, -0.4, 0.2, 1.0, 0.4, 0.0],
    [0.0, -0.4, 1.0, -0.2, -0.4, 0.0],
    [0.0, 1.0, 0.5, -1.0, -0.5, 0.0],
    [0.0, 0.5, -1.0, -0.5, 1.0, 0.0],
    [0.0, 0.5, -0.75, -1.0, 0.75, 0.5],
]
_TILE_OUT = [
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    [0.0, 1.0, -1.0, 0.5, -2.0, 0.0],
    [0.0, 1.0, 1.0, 0.25, 4.0, 0.0],
    [0.0, 1.0, -1.0, 0.125, -8.0, 1.0],
]


def use_winograd(module: nn.Module, use: bool = True) -> nn.Module:
    """Let the pyramid's convolutions within ``module`` go by Winograd's filtering where it pays.

    By themselves they do so in training alone, as the result differs in the last bits: through a
    whole trunk of 256 channels by up to 1e-5 of its largest value. For inference
    :func:`sepc.optimize_for_inference` turns it on.

    Args:
        use: False for never, not in training either.

    Returns:
        ``module``.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            child.winograd = use  # type: ignore[assignment]
    return module


def winograd_pays(maps: Sequence[Tensor], conv: nn.Conv2d) -> bool:
    """Whether the convolution of these maps is faster so, and wanted so (:func:`use_winograd`)."""
    if not maps or not getattr(conv, "winograd", _is_training(maps, conv)):
        return False
    x, weight = maps[0], conv.weight
    c_out, c_in = weight.shape[:2]
    is_3x3 = (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
    if not (is_3x3 and conv.dilation == (1, 1) and conv.groups == 1):
        return False
    if not (x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32):
        return False
    if torch.is_autocast_enabled("cpu") or _is_recorded():
        return False
    cells = sum(x.shape[0] * x.shape[2] * x.shape[3] for x in maps)
    # The products shrink with c_in * c_out, the transforms grow with c_in + c_out per cell; that of
    # the kernel costs as much as some hundred cells.
    return c_in * c_out >= 48 * (c_in + c_out) and cells >= 1024


def _is_training(maps: Sequence[Tensor], conv: nn.Conv2d) -> bool:
    """Whether a gradient is asked for, and not of a module of torch's own, with hooks maybe."""
    if type(conv) is nn.Conv2d or not torch.is_grad_enabled():
        return False
    return any(x.requires_grad for x in (*maps, *conv.parameters()))


def _is_recorded() -> bool:
    """Whether operators are written down, to be compiled or exported: then they are kept as one."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()


def conv3x3_by_winograd(
    maps: Sequence[Tensor], weight: Tensor, bias: Tensor | None
) -> list[Tensor]:
    """Compute ``F.conv2d(x, weight, bias, padding=1)`` of every map; differentiable once.

    A value that is not finite spoils all results of the tiles that it is part of, not only those
    beside it.

    Args:
        maps: L tensors (N, C, Hl, Wl), of any sizes and memory format.
        weight: (C_out, C, 3, 3).
        bias: (C_out,) or None.

    Returns:
        L tensors (N, C_out, Hl, Wl), channels last.
    """
    return list(_Convolution.apply(weight, bias, *maps))


class _Convolution(torch.autograd.Function):
    """The convolution, and its gradients, which are convolutions of the same kind."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor | None, *maps: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(weight, *maps)
        return tuple(_convolve(maps, weight, bias))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight, *maps = ctx.saved_tensors
        of_weight, of_bias, *of_maps = ctx.needs_input_grad
        grad_weight = _gradient_of_weight(maps, grads) if of_weight else None
        grad_bias = torch.stack([y.sum((0, 2, 3)) for y in grads]).sum(0) if of_bias else None
        grad_maps: Sequence[Tensor | None] = [None] * len(maps)
        if any(of_maps):
            grad_maps = _convolve(grads, weight.flip(2, 3).transpose(0, 1), None)
        return grad_weight, grad_bias, *grad_maps


def _convolve(maps: Sequence[Tensor], weight: Tensor, bias: Tensor | None) -> list[Tensor]:
    c_out, c_in = weight.shape[:2]
    of_kernel, of_span, of_result = (_both_axes(m, weight) for m in (_KERNEL, _SPAN_IN, _TILE_OUT))
    kernel = (of_kernel @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, c_in, c_out)
    bias = weight.new_zeros(()) if bias is None else bias
    padded = [pad_to_tiles(x, around=1) for x in maps]
    outputs = [empty_map((len(x), c_out, x.shape[1] - 2, x.shape[2] - 2), x) for x in padded]
    cells = [y.permute(0, 2, 3, 1) for y in outputs]

    a, b = _blocks(2, cells, max(c_in, c_out))  # what comes out of one step goes into the next
    for group in group_tiles(cells):
        spans = _transformed(padded, group, of_span, SPAN, scratch=a, out=b)
        tiles = spans.shape[1]
        products = torch.bmm(spans, kernel, out=_matrices(a, SPAN**2, tiles, c_out))
        results = _matrices(b, TILE**2, tiles, c_out)
        torch.mm(of_result, products.view(SPAN**2, -1), out=results.view(TILE**2, -1))
        for piece, place in places_of(group):
            rows = slice(TILE * piece.first_row, TILE * (piece.first_row + piece.rows))
            shape = (piece.rows, TILE, piece.columns, TILE, c_out)
            y = results[:, place].view(TILE, TILE, piece.rows, piece.columns, c_out)
            y = y.permute(2, 0, 3, 1, 4)
            torch.add(y, bias, out=cells[piece.level][piece.image, rows].view(shape))
    return [crop(y, x.shape[2:]) for x, y in zip(maps, outputs, strict=True)]


def _gradient_of_weight(maps: Sequence[Tensor], grads: Sequence[Tensor]) -> Tensor:
    """Gradient (C_out, C, 3, 3): a product over the tiles where the convolution has one over C."""
    c_in, c_out = maps[0].shape[1], grads[0].shape[1]
    of_kernel, of_span, of_result = (_both_axes(m, maps[0]) for m in (_KERNEL, _SPAN_IN, _TILE_OUT))
    padded = [pad_to_tiles(x, around=1) for x in maps]
    of_outputs = [pad_to_tiles(x, around=0) for x in grads]
    of_products = maps[0].new_zeros(SPAN**2, c_in, c_out)

    a, b, c = _blocks(3, of_outputs, max(c_in, c_out))
    for group in group_tiles(of_outputs):
        spans = _transformed(padded, group, of_span, SPAN, scratch=a, out=b)
        results = _transformed(of_outputs, group, of_result.T, TILE, scratch=a, out=c)
        of_products.baddbmm_(spans.transpose(1, 2), results)
    return (of_kernel.T @ of_products.view(SPAN**2, -1)).view(3, 3, c_in, c_out).permute(3, 2, 0, 1)


def _transformed(
    maps: Sequence[Tensor],
    group: Sequence[Piece],
    matrix: Tensor,
    side: int,
    *,
    scratch: Tensor,
    out: Tensor,
) -> Tensor:
    """Squares of ``side`` cells, one for each tile of the group, times ``matrix``.

    Args:
        maps: (N, H, W, C).
        matrix: (36, side**2).
        scratch, out: blocks of memory.

    Returns:
        (36, tiles, C), in ``out``.
    """
    tiles = sum(piece.rows * piece.columns for piece in group)
    channels = maps[0].shape[3]
    squares = _matrices(scratch, side**2, tiles, channels)
    for piece, place in places_of(group):
        rows = slice(TILE * piece.first_row, TILE * (piece.first_row + piece.rows) + side - TILE)
        x = maps[piece.level][piece.image, rows]
        x = x.unfold(0, side, TILE).unfold(1, side, TILE).permute(3, 4, 0, 1, 2)
        squares[:, place].view(x.shape).copy_(x)
    transformed = _matrices(out, SPAN**2, tiles, channels)
    torch.mm(matrix, squares.view(side**2, -1), out=transformed.view(SPAN**2, -1))
    return transformed


def _matrices(block: Tensor, count: int, tiles: int, channels: int) -> Tensor:
    """The beginning of a block of memory, as (count, tiles, channels)."""
    return block[: count * tiles * channels].view(count, tiles, channels)


def _blocks(count: int, maps: Sequence[Tensor], channels: int) -> Tensor:
    """Blocks of memory, each enough for any group of tiles of the maps (N, H, W, C)."""
    return maps[0].new_empty(count, SPAN**2 * largest_group(maps) * channels)


def _both_axes(matrix: list[list[float]], like: Tensor) -> Tensor:
    """Transform of flattened squares: along rows and columns at once."""
    single = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(single, single).to(like)
