"""Checkpoints whose bytes have changed since they were written."""

import random
import zipfile

import pytest
import torch

from sepc.checkpoint.reading import read_data
from sepc.checkpoint.writing import write_data

CONTENT = {"model": {"a": torch.arange(40.0), "b": torch.ones(3)}, "iteration": 3}


def assert_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path.name} is not a readable checkpoint: .+"):
        read_data(path)


def test_other_readers_take_the_file(tmp_path):
    write_data(CONTENT, tmp_path / "x.pth")
    for mmap in (False, True):
        read = torch.load(tmp_path / "x.pth", weights_only=True, mmap=mmap)
        torch.testing.assert_close(read, CONTENT)
    torch.testing.assert_close(read_data(tmp_path / "x.pth"), CONTENT)
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"sha256:")


def test_any_byte_that_has_changed_is_found(tmp_path):
    path = tmp_path / "x.pth"
    write_data(CONTENT, path)
    whole = path.read_bytes()
    drawn = random.Random(0)
    for position in [*range(0, len(whole) - 200, 7), *range(len(whole) - 200, len(whole))]:
        changed = bytearray(whole)
        changed[position] ^= 1 << drawn.randrange(8)
        assert_refused(path, bytes(changed))


def test_any_cut_is_found(tmp_path):
    path = tmp_path / "x.pth"
    write_data(CONTENT, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 29):
        assert_refused(path, whole[:length])
    assert_refused(path, whole + b"\0")


def test_changed_weight_of_a_file_without_a_digest_is_found(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(CONTENT, path)
    whole = path.read_bytes()
    at = whole.index(CONTENT["model"]["a"].numpy().tobytes())
    torch.testing.assert_close(read_data(path), CONTENT)
    assert_refused(path, whole[: at + 5] + bytes([whole[at + 5] ^ 1]) + whole[at + 6 :])


@pytest.mark.skipif(
    not hasattr(torch.serialization, "set_crc32_options"), reason="an option of newer versions"
)
def test_file_that_was_written_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(CONTENT, tmp_path / "x.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    torch.testing.assert_close(read_data(tmp_path / "x.pth"), CONTENT)


def test_full_disk_is_an_error_of_the_file(tmp_path, monkeypatch):
    """As torch's writer tells it: a RuntimeError over the error of the file."""
    path = tmp_path / "x.pth"
    write_data(CONTENT, path)

    def fail(content, file):
        try:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise RuntimeError("enforce fail at inline_container.cc: unexpected pos") from error

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="No space left") as error:
        write_data({}, path)
    assert error.value.filename == str(path)
    monkeypatch.undo()
    torch.testing.assert_close(read_data(path), CONTENT)
