"""Export of the detectors of this project, and Detectron2's use of what was exported."""
