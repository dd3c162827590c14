"""FCOS on inputs that break detectors."""

from .detector import DetectorEndToEnd


class TestPlain(DetectorEndToEnd):
    detector, variant = "fcos", "plain"


class TestSepc(DetectorEndToEnd):
    detector, variant = "fcos", "sepc"
