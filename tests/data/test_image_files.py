"""Headers of image files against their annotations."""

import json

import numpy as np
import pytest
from PIL import Image

from sepc.data.image_files import check_image_files, read_header


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images/a.jpg")
    return tmp_path / "images"


def check(folder, file_name="a.jpg", width=30, height=20):
    images = [{"file_name": file_name, "width": width, "height": height}]
    check_image_files(images, folder, source="x.json")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_images_of_8_bits_pass(folder, mode):
    Image.new(mode, (30, 20)).save(folder / "b.png")
    check(folder, "b.png")
    check(folder, "b.png", width=30.0)  # as some exports write it


def test_size_as_shown(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(folder / "turned.jpg", exif=exif)
    check(folder, "turned.jpg", 20, 30)
    message = (
        r"turned.jpg is 20 x 30 \(turned by its EXIF .*\), expected 30 x 20 \(width x height\)"
    )
    with pytest.raises(ValueError, match=f"^1 of 1 images of x.json can't be used: {message}$"):
        check(folder, "turned.jpg", 30, 20)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "b.img is empty"),
        (b"no image", "b.img cannot be opened as an image: cannot identify image file"),
        (b"P6 99999999 99999999 255\n", "b.img cannot be opened as an image: .*exceeds limit"),
        (b"P6 -1 5 255\n", "b.img cannot be opened as an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "b.img cannot be opened as an image"),
    ],
)
def test_files_that_are_no_images(folder, content, message):
    (folder / "b.img").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        check(folder, "b.img")
    assert "\n" not in str(error.value)


def test_more_than_8_bits(folder):
    Image.fromarray(np.zeros((20, 30), np.uint16)).save(folder / "deep.png")
    with pytest.raises(ValueError, match=r"deep.png has pixels of I;16, not 8 bits"):
        check(folder, "deep.png")


def test_first_five_are_named_and_the_rest_counted(folder):
    images = [{"file_name": f"{i}.jpg", "width": 1, "height": 1} for i in range(7)]
    with pytest.raises(
        ValueError, match=r"^7 of 7 .*: 0.jpg cannot be read: .*4.jpg.*; and 2 more$"
    ):
        check_image_files(images, folder, source="x.json")


def test_random_damage_is_told_never_raised(folder):
    data = bytearray((folder / "a.jpg").read_bytes())
    rng = np.random.default_rng(0)
    problems = 0
    for _ in range(200):
        damaged = bytearray(data[: rng.integers(1, len(data))])
        for position in rng.integers(0, len(damaged), 3):
            damaged[position] = rng.integers(256)
        (folder / "b.img").write_bytes(damaged)
        problems += bool(read_header(folder / "b.img").problem)
    assert 0 < problems < 200


def test_headers_are_read_once_until_a_file_changes(folder, tmp_path, monkeypatch):
    check(folder)
    (cache,) = (tmp_path / "cache/sepc").iterdir()
    read = []
    monkeypatch.setattr(
        "sepc.data.image_files.read_header", lambda p: read.append(p) or read_header(p)
    )
    check(folder)
    assert not read
    Image.new("RGB", (31, 20)).save(folder / "a.jpg")
    check(folder, width=31)
    assert len(read) == 1
    for damaged in ("{", "[]", json.dumps({"a.jpg": 5})):
        cache.write_text(damaged)
        check(folder, width=31)
    assert len(read) == 4


def test_a_cache_that_cannot_be_written_is_no_error(folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    check(folder)
