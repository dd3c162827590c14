"""Generated detection data in COCO's folder layout, and checks for any data in that layout."""

from .canvas import Scene, SceneObject
from .coco_folder import write_dataset
from .scenes import generate_scene
from .shapes import SHAPES
from .shift import SHIFTS, shift_image
from .validate import validate_coco

__all__ = [
    "SHAPES",
    "SHIFTS",
    "Scene",
    "SceneObject",
    "generate_scene",
    "shift_image",
    "validate_coco",
    "write_dataset",
]
