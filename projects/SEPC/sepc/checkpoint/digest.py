"""Digest of a checkpoint, in the file itself: any byte that has changed since is found.

A file of ``torch.save`` is a zip archive. The SHA-256 of all that comes before it is the archive's
comment, which every reader of such files passes over. Files without one have at least the checksums
of the records of a zip archive, which ``torch.load`` does not look at.
"""

import hashlib
import os
import zipfile
from pathlib import Path
from typing import IO

_PREFIX = b"sha256:"
_LENGTH = len(_PREFIX) + 64
_END = b"PK\x05\x06"  # of the record that ends an archive: 20 bytes, length of the comment, comment
_END_LENGTH = 22


def add_digest(path: str | os.PathLike[str]) -> None:
    """Add the digest to a file that ``torch.save`` has just written."""
    with open(path, "r+b") as file:
        if not _ends_archive(file):
            raise ValueError(f"{os.fspath(path)}: expected a file of torch.save without a comment")
        file.seek(-2, os.SEEK_END)
        file.write(_LENGTH.to_bytes(2, "little"))
        size = file.tell()
        file.seek(0)
        digest = _sha256(file, size)
        file.seek(size)
        file.write(_PREFIX + digest)


def check_digest(path: str | os.PathLike[str]) -> None:
    """Check the digest of a zip archive, or without one the checksums of its records.

    Raises:
        ValueError: if the file has changed since it was written.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - _LENGTH))
        comment = file.read()
        if comment.startswith(_PREFIX):
            file.seek(0)
            if _sha256(file, size - _LENGTH) != comment[len(_PREFIX) :]:
                raise ValueError("its content does not have the digest that it was written with")
        elif not _ends_archive(file):
            raise ValueError("it is damaged at its end")
        else:
            _check_records(file)


def _ends_archive(file: IO[bytes]) -> bool:
    """Whether a file ends as ``torch.save`` ends it: with the last record, without a comment."""
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - _END_LENGTH))
    end = file.read()
    return end.startswith(_END) and end.endswith(b"\0\0")


def _check_records(file: IO[bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        if all(record.CRC == 0 for record in archive.infolist()):
            return  # written without checksums, an option of torch
        if damaged := archive.testzip():
            raise ValueError(f"its record {damaged} does not have the checksum of its content")


def _sha256(file: IO[bytes], size: int) -> bytes:
    digest = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()
