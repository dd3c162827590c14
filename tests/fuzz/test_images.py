"""Image files: random bytes, damaged ones of every kind, huge headers, odd modes and EXIF."""

import io
import random
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sepc.data.image_files import read_header
from sepc.export.preprocess import read_image

from .mutations import damaged_bytes
from .outcome import check

MODES = {"PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "JPEG": ("L", "RGB", "CMYK")}
MODES |= {"TIFF": ("RGB", "CMYK", "LAB", "F"), "WEBP": ("RGB", "RGBA"), "GIF": ("P",)}
MODES |= {"BMP": ("RGB",), "PPM": ("RGB",)}


def encoded(kind: str, mode: str, size: tuple[int, int] = (13, 9), turned: int = 1) -> bytes:
    """A picture in a format and mode, with EXIF's orientation."""
    exif = Image.Exif()
    exif[0x0112] = turned
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    made = Image.fromarray(pixels[..., 0].astype(np.uint16) * 99) if mode == "I;16" else None
    if mode in ("CMYK", "LAB"):
        made = Image.frombytes(mode, size, pixels[..., : 4 if mode == "CMYK" else 3].tobytes())
    made = made or Image.fromarray(pixels).convert("RGB").convert(mode)
    file = io.BytesIO()
    made.save(file, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )


HUGE = {
    "ppm": b"P6 99999999 99999999 255\n",
    "png": png_header(2**31 - 1, 2**31 - 1),
    "bmp": b"BM" + bytes(16) + struct.pack("<IiiHH", 40, 2**30, 2**30, 1, 24) + bytes(24),
    "gif": b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\0\0\0\0\xff\xff\xff\xff\0",
    "strip": png_header(2**31 - 1, 1),
}


@pytest.fixture
def read(tmp_path):
    """Read an image; its header has to be told as bad where its pixels are by their kind."""
    path = tmp_path / "image"

    def read_bytes(content: bytes):
        path.write_bytes(content)
        header = read_header(path)
        pixels = read_image(path)
        assert not header.problem
        assert pixels.shape == (header.height, header.width, 3) and pixels.dtype == np.uint8

    return read_bytes


def test_damaged_images(read):
    good = [encoded(kind, mode) for kind, modes in MODES.items() for mode in modes]
    good += [encoded("JPEG", "RGB", turned=n) for n in range(10)]
    good += [encoded("PNG", "RGB", size) for size in ((1, 1), (1, 500), (500, 1))]

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.1:
            return rng.randbytes(rng.randrange(300))
        return damaged_bytes(rng.choice([*good, *HUGE.values()]), rng)

    check(read, make)


@pytest.mark.parametrize("name", HUGE)
def test_huge_headers_take_no_memory(read, name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"image: expected an image, .*"):
        read(HUGE[name])
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000  # KiB on Linux, bytes elsewhere


@pytest.mark.parametrize(
    ("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes]
)
def test_all_readers_agree_on_depth_and_pixels(kind, mode, tmp_path):
    """Training and evaluation read by Detectron2; export, demo and serving by ``read_image``."""
    utils = pytest.importorskip("detectron2.data.detection_utils")
    path = tmp_path / "image"
    for turned in range(1, 9):
        path.write_bytes(encoded(kind, mode, turned=turned))
        if mode in ("I;16", "F") or (kind == "TIFF" and turned > 1):
            problem = read_header(path).problem
            assert "not 8 bits" in problem or "is turned" in problem
            with pytest.raises(ValueError, match=f"image: expected an image, it {problem}"):
                read_image(path)
        else:
            assert not read_header(path).problem
            assert np.array_equal(read_image(path), utils.read_image(str(path), "BGR"))


def test_a_truncated_image_is_not_shown_half_gray(tmp_path):
    path = tmp_path / "half.jpg"
    path.write_bytes(encoded("JPEG", "RGB", (300, 200))[:9000])
    with pytest.raises(ValueError, match=r"half\.jpg: expected an image, .* truncated"):
        read_image(path)
