"""Damaged videos in the demo."""

from sepc.demo import run_on_video

from ..demo.files import Brightness, write_video
from .mutations import damaged_bytes
from .outcome import TRIES, check


def test_damaged_videos(tmp_path):
    path = write_video(tmp_path / "film.avi", frames=3)
    good = path.read_bytes()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        run_on_video(
            path,
            Brightness(),
            tmp_path / "out.avi",
            threshold=0.1,
            batch_size=2,
            report=lambda text: None,
            show_progress=False,
        )

    check(
        read,
        lambda rng: damaged_bytes(good[: rng.choice((200, 2000, len(good)))], rng),
        tries=TRIES // 2,
    )
