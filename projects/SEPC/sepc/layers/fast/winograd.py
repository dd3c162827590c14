"""3x3 convolution with a quarter of the multiplications, for inference with wide maps on a CPU.

Winograd's minimal filtering F(4x4, 3x3): a tile of 6x6 cells and the kernel are transformed so that
their 36 products, one per place, hold a tile of 4x4 results, where the definition takes 144. The
products over all channels are 36 matrix products. All levels of a pyramid go through together, so
that the small ones cost what their cells cost.

Source: Lavin and Gray, https://arxiv.org/abs/1509.09308, Sec 4. The transforms interpolate at 0, 1,
-1, 1/2, -2 and infinity, after Barabasz et al., https://arxiv.org/abs/1803.10986: the error is half
of that at the usual 0, 1, -1, 2, -2, some 4e-6 of the largest value of a map where oneDNN's
convolution has 1e-6. Measured on one core with AVX-512 against that convolution, over a whole
pyramid: half the time with 256 channels, two thirds with 128, no gain with 64.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE = 4  # cells a side of the results
SPAN = TILE + 2  # and of what they are made from
_GROUP = 128  # tiles that are worked on at a time, so that they stay in the cache

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

    They do not by themselves, as the result differs in the last bits: through a whole trunk of 256
    channels by up to 1e-5 of its largest value. :func:`sepc.optimize_for_inference` turns it on.

    Returns:
        ``module``.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            child.winograd = use  # type: ignore[assignment]
    return module


def winograd_pays(maps: Sequence[Tensor], conv: nn.Conv2d) -> bool:
    """Whether the convolution of these maps is faster so, and wanted so (:func:`use_winograd`)."""
    if not maps or not getattr(conv, "winograd", False):
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
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*maps, *conv.parameters())):
        return False
    cells = sum(x.shape[0] * x.shape[2] * x.shape[3] for x in maps)
    # The products shrink with c_in * c_out, the transforms grow with c_in + c_out per cell; that of
    # the kernel costs as much as some hundred cells.
    return c_in * c_out >= 48 * (c_in + c_out) and cells >= 1024


def _is_recorded() -> bool:
    """Whether operators are written down, to be compiled or exported: then they are kept as one."""
    return torch.jit.is_tracing() or torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()


class _Piece(NamedTuple):
    """Whole rows of tiles of one image at one level."""

    level: int
    image: int
    first_row: int
    rows: int
    columns: int


def conv3x3_by_winograd(
    maps: Sequence[Tensor], weight: Tensor, bias: Tensor | None
) -> list[Tensor]:
    """Compute ``F.conv2d(x, weight, bias, padding=1)`` of every map; not differentiable.

    A value that is not finite spoils all results of the tiles that it is part of, not only those
    beside it.

    Args:
        maps: L tensors (N, C, Hl, Wl), of any sizes and memory format.
        weight: (C_out, C, 3, 3).
        bias: (C_out,) or None.

    Returns:
        L tensors (N, C_out, Hl, Wl), channels last.
    """
    c_out, c_in = weight.shape[:2]
    of_kernel, of_span, of_result = (_both_axes(m, weight) for m in (_KERNEL, _SPAN_IN, _TILE_OUT))
    kernel = (of_kernel @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, c_in, c_out)
    padded = [_pad_to_tiles(x.permute(0, 2, 3, 1)) for x in maps]
    outputs = [x.new_empty(x.shape[0], x.shape[1] - 2, x.shape[2] - 2, c_out) for x in padded]
    bias = weight.new_zeros(()) if bias is None else bias

    grids = [(y.shape[0], y.shape[1] // TILE, y.shape[2] // TILE) for y in outputs]
    # two blocks of memory for all groups; what comes out of one step goes into the next
    most = max(_GROUP, *(columns for *_, columns in grids), 1)
    a, b = weight.new_empty(2, SPAN**2 * most * max(c_in, c_out))
    for group in _groups(grids):
        tiles = sum(piece.rows * piece.columns for piece in group)
        spans = a[: SPAN**2 * tiles * c_in].view(SPAN, SPAN, tiles, c_in)
        for piece, place in _places(group):
            rows = slice(TILE * piece.first_row, TILE * (piece.first_row + piece.rows) + 2)
            x = padded[piece.level][piece.image, rows]
            x = x.unfold(0, SPAN, TILE).unfold(1, SPAN, TILE).permute(3, 4, 0, 1, 2)
            spans[:, :, place].view(x.shape).copy_(x)

        out = b[: spans.numel()].view(SPAN**2, tiles * c_in)
        spans = torch.mm(of_span, spans.view(SPAN**2, -1), out=out).view(SPAN**2, tiles, c_in)
        out = a[: SPAN**2 * tiles * c_out].view(SPAN**2, tiles, c_out)
        products = torch.bmm(spans, kernel, out=out)
        out = b[: TILE**2 * tiles * c_out].view(TILE**2, tiles * c_out)
        results = torch.mm(of_result, products.view(SPAN**2, -1), out=out)
        results = results.view(TILE, TILE, tiles, c_out)

        for piece, place in _places(group):
            rows = slice(TILE * piece.first_row, TILE * (piece.first_row + piece.rows))
            shape = (piece.rows, TILE, piece.columns, TILE, c_out)
            y = results[:, :, place].view(TILE, TILE, piece.rows, piece.columns, c_out)
            y = y.permute(2, 0, 3, 1, 4)
            torch.add(y, bias, out=outputs[piece.level][piece.image, rows].view(shape))
    return [_cropped(y, x.shape[2:]) for x, y in zip(maps, outputs, strict=True)]


def _both_axes(matrix: list[list[float]], like: Tensor) -> Tensor:
    """Transform of flattened squares: along rows and columns at once."""
    single = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(single, single).to(like)


def _pad_to_tiles(x: Tensor) -> Tensor:
    """Pad (N, H, W, C) by a cell of zeros around, and below and right to whole tiles."""
    height, width = x.shape[1:3]
    return F.pad(x, (0, 0, 1, 1 + -width % TILE, 1, 1 + -height % TILE))


def _cropped(y: Tensor, size: torch.Size) -> Tensor:
    """Crop (N, H', W', C) to H x W cells, as (N, C, H, W) that is no view of a larger map."""
    y = y[:, : size[0], : size[1]].permute(0, 3, 1, 2)
    return y.contiguous(memory_format=torch.channels_last)


def _groups(grids: Sequence[tuple[int, int, int]]) -> Iterator[list[_Piece]]:
    """Cut all tiles into groups of some ``_GROUP``, or of one row of tiles if that has more.

    Args:
        grids: per level the images, and the rows and columns of tiles of each.
    """
    group: list[_Piece] = []
    room = _GROUP
    for level, (images, rows, columns) in enumerate(grids):
        for image in range(images):
            row = 0
            while row < rows:
                if group and room < columns:
                    yield group
                    group, room = [], _GROUP
                taken = min(rows - row, max(1, room // columns))
                group.append(_Piece(level, image, row, taken, columns))
                row, room = row + taken, room - taken * columns
    if group:
        yield group


def _places(group: Sequence[_Piece]) -> Iterator[tuple[_Piece, slice]]:
    """Pieces of a group, each with the place of its tiles among those of the group."""
    start = 0
    for piece in group:
        end = start + piece.rows * piece.columns
        yield piece, slice(start, end)
        start = end
