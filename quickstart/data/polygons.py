"""Masks as COCO's polygons and run lengths, without loss."""

from typing import Any

import cv2
import numpy as np


def mask_to_polygons(mask: np.ndarray) -> list[list[float]]:
    """Trace the outline of a mask along the pixel edges.

    Filled by ``pycocotools`` the polygons give the same mask again. A hole, which COCO's polygons
    cannot express, is tied to the outline around it by a seam of no width.

    Args:
        mask: bool (H, W).

    Returns:
        One polygon ``[x0, y0, x1, y1, ...]`` per connected part of the mask.
    """
    if not mask.any():
        return []
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = rows[0], columns[0]
    crop = mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8)
    # With every pixel doubled, a pixel on the contour lies beside exactly one pixel corner.
    doubled = crop.repeat(2, axis=0).repeat(2, axis=1)
    contours, hierarchy = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    corners = [(contour[:, 0, :] + 1) // 2 + (left, top) for contour in contours]
    polygons = []
    for index, (_, _, hole, parent) in enumerate(hierarchy[0]):
        if parent >= 0:
            continue
        polygon = _simplify(corners[index])
        while hole >= 0:
            inner = _simplify(corners[hole])
            polygon = np.concatenate([polygon, polygon[:1], inner, inner[:1]])
            hole = hierarchy[0][hole][0]
        polygons.append(polygon.astype(float).ravel().tolist())
    return polygons


def _simplify(points: np.ndarray) -> np.ndarray:
    """Drop repeated points and points in the middle of an axis-aligned edge."""
    points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    straight = np.any((before == points) & (points == after), axis=1)
    # A thin spike turns back along its own edge: its tip stays.
    straight &= ((points - before) * (after - points)).sum(axis=1) > 0
    return points[~straight]


def mask_to_run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """Encode a mask as COCO's uncompressed run lengths: ``{"size": [H, W], "counts": [...]}``.

    The counts go down the columns, alternate between zeros and ones, and begin with zeros.
    """
    flat = np.concatenate([[False], mask.ravel(order="F")])
    starts = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], starts, [mask.size]]))
    return {"size": list(mask.shape), "counts": counts.tolist()}
