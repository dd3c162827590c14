#!/usr/bin/env python
"""Find objects in an image with an exported detector: ONNX Runtime, numpy, Pillow and OpenCV.

    python examples/serve_onnx.py model.onnx image.jpg --draw found.jpg

Prints JSON: class, score and box (x1, y1, x2, y2 in pixels of the image) of each object. Neither
torch nor Detectron2 is needed; of this package preprocess.py and devices.py of sepc/export are, and
one number.
"""

import argparse
import csv
import json
import sys

import cv2
import numpy as np
import onnxruntime

from sepc.export.devices import add_device_argument, note_untested, onnx_providers
from sepc.export.preprocess import detect_in_image, read_image
from sepc.score_threshold import SHOWN_SCORE


def detect(session: onnxruntime.InferenceSession, pixels: np.ndarray) -> list[dict]:
    """Objects in an image as OpenCV reads it, (H, W, 3) BGR; the best first."""
    meta = session.get_modelmeta().custom_metadata_map
    if meta["batch"] != "none":
        sys.exit("expected a file that takes one image at a time")

    def run(image: np.ndarray) -> list[np.ndarray]:
        return session.run(["boxes", "scores", "classes"], {"image": image})

    names = next(csv.reader([meta.get("class_names", "")]), [])
    return [
        {"class": names[c] if c < len(names) else str(c), "score": float(s), "box": box.tolist()}
        for box, s, c in zip(*detect_in_image(pixels, run, meta), strict=True)
    ]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model", help="written by tools/export_model.py --format onnx")
parser.add_argument("image")
weak = f"leave out what scores less ({SHOWN_SCORE:g})"
parser.add_argument("--threshold", type=float, default=SHOWN_SCORE, help=weak)
parser.add_argument("--draw", metavar="FILE", help="write the image with the boxes there")
add_device_argument(parser)
args = parser.parse_args()
note_untested(args.device)
try:
    pixels = read_image(args.image)
    providers = onnx_providers(args.device, onnxruntime.get_available_providers())
except (ValueError, OSError) as error:
    sys.exit(str(error))
session = onnxruntime.InferenceSession(args.model, providers=providers)
found = [x for x in detect(session, pixels) if x["score"] >= args.threshold]
print(json.dumps(found, indent=2))
for x in found if args.draw else []:
    x1, y1, x2, y2 = (round(v) for v in x["box"])
    cv2.rectangle(pixels, (x1, y1), (x2, y2), (0, 200, 0))
    cv2.putText(pixels, x["class"], (x1, y1 - 2), cv2.FONT_HERSHEY_PLAIN, 0.7, (0, 200, 0))
if args.draw and not cv2.imwrite(args.draw, pixels):
    sys.exit(f"can't write {args.draw}")
