"""RetinaNet in all variants on inputs that break detectors."""

from .detector import DetectorEndToEnd


class TestPlain(DetectorEndToEnd):
    detector, variant, channels = "retinanet", "plain", 8


class TestPconv(DetectorEndToEnd):
    detector, variant, channels = "retinanet", "pconv", 8


class TestPconvIbn(DetectorEndToEnd):
    detector, variant, channels = "retinanet", "pconv_ibn", 8


class TestSepcLite(DetectorEndToEnd):
    detector, variant, channels = "retinanet", "sepc_lite", 8


class TestSepc(DetectorEndToEnd):
    detector, variant, channels = "retinanet", "sepc", 8
