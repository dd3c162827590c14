#!/usr/bin/env python
"""Find objects in an image with an exported detector: ONNX Runtime, numpy and OpenCV, no more.

    python examples/serve_onnx.py model.onnx image.jpg --draw found.jpg

Prints JSON: class, score and box (x1, y1, x2, y2 in pixels of the image) of each object.
"""

import argparse
import json
import sys

import cv2
import numpy as np
import onnxruntime


def detect(session, pixels):
    """Objects in an image as OpenCV reads it, (H, W, 3) BGR; the best first."""
    meta = session.get_modelmeta().custom_metadata_map
    if meta.get("batch", "none") != "none":
        sys.exit("expected a file that takes one image at a time")
    height, width = pixels.shape[:2]
    size = (width, height)
    if meta.get("image_size", "dynamic") != "dynamic":
        size = tuple(int(x) for x in meta["image_size"].split(","))[::-1]
    elif "resize_short_edge" in meta:
        short, longest = int(meta["resize_short_edge"]), int(meta["resize_max"])
        scale = min(short / min(size), longest / max(size))
        size = (round(width * scale), round(height * scale))
    image = cv2.resize(pixels, size) if size != (width, height) else pixels
    image = image if meta.get("input_format") == "BGR" else image[..., ::-1]
    image = np.ascontiguousarray(image.transpose(2, 0, 1))
    boxes, scores, classes = session.run(["boxes", "scores", "classes"], {"image": image})
    boxes = boxes * np.array([width / size[0], height / size[1]] * 2)
    names = meta.get("class_names", "").split(",")
    return [
        {"class": names[c] if c < len(names) else str(c), "score": float(s), "box": box.tolist()}
        for box, s, c in zip(boxes, scores, classes.tolist(), strict=True)
    ]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model", help="written by tools/export_model.py --format onnx")
parser.add_argument("image")
parser.add_argument("--threshold", type=float, default=0.5, help="leave out what scores less (0.5)")
parser.add_argument("--draw", metavar="FILE", help="write the image with the boxes there")
args = parser.parse_args()
pixels = cv2.imread(args.image)
if pixels is None:
    sys.exit(f"can't read the image {args.image}")
session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
found = [x for x in detect(session, pixels) if x["score"] >= args.threshold]
print(json.dumps(found, indent=2))
for x in found if args.draw else []:
    x1, y1, x2, y2 = (round(v) for v in x["box"])
    cv2.rectangle(pixels, (x1, y1), (x2, y2), (0, 200, 0), 1)
    cv2.putText(pixels, x["class"], (x1, max(y1 - 2, 8)), cv2.FONT_HERSHEY_PLAIN, 0.7, (0, 200, 0))
if args.draw and not cv2.imwrite(args.draw, pixels):
    sys.exit(f"can't write {args.draw}")
