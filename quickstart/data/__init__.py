"""Generated detection data in COCO's folder layout: scenes of simple shapes."""

from .canvas import Scene, SceneObject
from .coco_folder import write_dataset
from .scenes import generate_scene
from .shapes import SHAPES
from .shift import SHIFTS, shift_image

__all__ = [
    "SHAPES",
    "SHIFTS",
    "Scene",
    "SceneObject",
    "generate_scene",
    "shift_image",
    "write_dataset",
]
