"""Videos: all frames are written or no file is there."""

from itertools import islice

import cv2
import numpy as np
import pytest

from sepc.demo import run_on_camera, run_on_video, video

from .files import Brightness, frames_of, write_video


@pytest.fixture
def source(tmp_path):
    return write_video(tmp_path / "film.avi")


def run(source, output, detector=None, **options):
    problems = []
    options = {"threshold": 0.5, "batch_size": 4, "show_progress": False, **options}
    count = run_on_video(
        source, detector or Brightness(), output, report=problems.append, **options
    )
    return count, problems


@pytest.mark.parametrize("name", ["new/out.mp4", "out.avi", "out.mkv"])
def test_every_frame(source, tmp_path, name):
    detector = Brightness()
    assert run(source, tmp_path / name, detector) == (10, [])
    assert detector.batches == [4, 4, 2]
    before, after = frames_of(source), frames_of(tmp_path / name)
    assert len(after) == 10 and after[0].shape == before[0].shape
    changed = [np.abs(a.astype(int) - b).max() > 100 for a, b in zip(after, before, strict=True)]
    assert not changed[0] and changed[-1]  # only the bright ones pass the threshold


def test_folder(source, tmp_path):
    run(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["film.mp4"]


class Interrupted(Brightness):
    def __call__(self, images):
        if self.batches:
            raise KeyboardInterrupt
        return super().__call__(images)


def test_stopped_half_way_nothing_is_left(source, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out" / "a.mp4", Interrupted())
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_sources(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the video .*absent\.mp4 does not exist"):
        run(tmp_path / "absent.mp4", tmp_path / "a.mp4")
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    with pytest.raises(ValueError, match=r"broken\.mp4: expected a video, can't read a frame"):
        run(broken, tmp_path / "a.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mp4"]


def test_bad_targets(source, tmp_path):
    with pytest.raises(ValueError, match=r"expected a video among .* got .*a\.png"):
        run(source, tmp_path / "a.png")
    with pytest.raises(ValueError, match="take the place of the video"):
        run(source, source)


def test_video_that_ends_early_is_reported(source, tmp_path, monkeypatch):
    frames = video._frames
    monkeypatch.setattr(video, "_frames", lambda v: islice(frames(v), 6))
    count, (problem,) = run(source, tmp_path / "a.mp4")
    assert count == 6 and "ended after 6 of 10 frames" in problem


def test_video_that_is_not_written_whole_is_removed(source, tmp_path, monkeypatch):
    monkeypatch.setattr(video, "_count_frames", lambda path: 7)
    with pytest.raises(OSError, match=r"only 7 of 10 frames could be written to .*a\.mp4"):
        run(source, tmp_path / "out" / "a.mp4")
    assert list((tmp_path / "out").iterdir()) == []


class Camera:
    """In place of OpenCV's: three frames."""

    def __init__(self, number):
        self.left = 3 if number == 0 else 0

    def isOpened(self):
        return self.left > 0

    def read(self):
        self.left -= 1
        return True, np.full((32, 48, 3), 255, np.uint8)

    def release(self):
        pass


def test_camera(monkeypatch):
    shown = []
    monkeypatch.setattr(video.cv2, "VideoCapture", Camera)
    monkeypatch.setattr(video, "show", lambda name, picture, wait_ms: shown.append(name) or True)
    assert run_on_camera(0, Brightness(), threshold=0.5) == 3
    assert shown == ["camera 0"] * 3
    with pytest.raises(OSError, match="can't open the camera 5"):
        run_on_camera(5, Brightness(), threshold=0.5)


def test_window_ends_by_key(source, monkeypatch):
    monkeypatch.setattr(video.cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(video.cv2, "imshow", lambda *_: None)
    keys = iter([-1, ord("x"), ord("q")])
    monkeypatch.setattr(video.cv2, "waitKey", lambda _: next(keys))
    assert run(source, None)[0] == 3


def test_no_window(source, monkeypatch):
    def fail(*_):
        raise cv2.error("no windows in this build")

    monkeypatch.setattr(video.cv2, "namedWindow", fail)
    with pytest.raises(video.NoWindow, match="can't open a window: give --output"):
        run(source, None)
