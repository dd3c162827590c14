"""The colors of all pictures, which the color-blind can tell apart (Okabe and Ito)."""

ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"

#: classes of objects, runs in a plot: one after the other
CYCLE = (ORANGE, SKY, GREEN, YELLOW, PURPLE, VERMILION, BLUE)

#: the three terms of pyramid convolution, as in docs/pyramid_conv.png
TERMS = {"finer": VERMILION, "same": BLUE, "coarser": "#007D5A"}


def bgr(color: str) -> tuple[int, int, int]:
    """``"#RRGGBB"`` as OpenCV wants it."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red
