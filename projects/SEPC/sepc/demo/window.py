"""Window of OpenCV, which not every build and not every machine has."""

from __future__ import annotations

import cv2
import numpy as np

_ESCAPE, _Q = 27, ord("q")


def show(name: str, picture: np.ndarray, *, wait_ms: int) -> bool:
    """Show a picture in a window.

    Args:
        wait_ms: for a key; 0 waits until there is one.

    Returns:
        False if the key was escape or q.

    Raises:
        NoWindow: if none can be opened.
    """
    try:
        cv2.namedWindow(name, cv2.WINDOW_NORMAL)
        cv2.imshow(name, picture)
        key = cv2.waitKey(wait_ms) & 0xFF
    except cv2.error as error:
        raise NoWindow(
            "can't open a window: give --output, or install the package opencv-python in place of "
            "opencv-python-headless and use a machine with a display"
        ) from error
    return key not in (_ESCAPE, _Q)


class NoWindow(RuntimeError):
    """Error: this machine or this OpenCV has no windows."""
