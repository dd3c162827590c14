"""Demo: a trained or exported detector on images, videos and a webcam."""

from .detections import Detections, Detector
from .images import expand_inputs, run_on_images
from .onnx_detector import OnnxDetector
from .video import run_on_camera, run_on_video

__all__ = [
    "Detections",
    "Detector",
    "OnnxDetector",
    "expand_inputs",
    "run_on_camera",
    "run_on_images",
    "run_on_video",
]
