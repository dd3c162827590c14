"""Detectors, images and videos of the tests: all of them made by hand."""

import cv2
import numpy as np

from sepc.demo import Detections
from sepc.demo.detections import draw_found


class Brightness:
    """Finds the whole image, scored by how bright it is; notes the sizes of its batches."""

    class_names = ("dark", "bright")
    category_ids = (11, 12)

    def __init__(self):
        self.batches = []

    def __call__(self, images):
        assert len({image.shape for image in images}) == 1
        self.batches.append(len(images))
        return [self.detect(image) for image in images]

    def detect(self, image):
        height, width = image.shape[:2]
        score = float(image.mean()) / 255
        box = np.array([[0, 0, width, height]], np.float32)
        return Detections(box, np.array([score], np.float32), np.array([int(score > 0.5)]))

    def draw(self, image, found):
        return draw_found(image, found, self.class_names, enlarge=True)

    def draw_frame(self, frame, found):
        return draw_found(frame, found, self.class_names, enlarge=False)


def write_image(path, size=(32, 48), value=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))
    return path


def write_video(path, frames=10, size=(32, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, size[::-1])
    assert writer.isOpened()
    for value in np.linspace(60, 250, frames):
        writer.write(np.full((*size, 3), round(value), np.uint8))
    writer.release()
    return path


def frames_of(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = video.read()
        if not there:
            return frames
        frames.append(frame)
