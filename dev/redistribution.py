"""Detectron2 from the package index: a pinned redistribution, made installable without its binary.

Upstream publishes on no index. The distribution ``sal-detectron2`` does, and carries upstream's
Python files and configs; `dev/compare_detectron2.py` prints where they differ. Only the one file
whose hash stands here is taken. It is tagged for Python 3.10 because of a compiled module; without
that module it runs on any Python that Detectron2 runs on. Standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from pathlib import Path, PurePosixPath

NAME = "sal-detectron2"
VERSION = "0.7.2"
LOCAL_VERSION = f"{VERSION}+sepc"  # what `pip list` shows of the repacked wheel
SHA256 = "491af0c7f79bdb2d178e46f6cb16a97c4ac968d45c41ea3f6b6435d59bbee561"
UPSTREAM_COMMIT = "a59f05630a8f205756064244bf5beb8661f96180"  # 17 April 2024

DOWNLOAD = ("--no-deps", "--only-binary=:all:", "--python-version=3.10", "--require-hashes")

# Upstream's setup.py does not ask for NumPy below 2, which the tested torch comes without; black
# only formats what `LazyConfig.to_py` prints.
_DROPPED_REQUIREMENTS = ("Requires-Dist: numpy<2", "Requires-Dist: black")
_WHEEL = "Wheel-Version: 1.0\nGenerator: sepc\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_MISMATCH = re.compile(r"Expected sha256 (\w+)\s+Got\s+(\w+)")


def requirement() -> str:
    """Line of a requirements file that pip accepts the pinned file for, and no other."""
    return f"{NAME}=={VERSION} --hash=sha256:{SHA256}\n"


def refusal(output: str) -> str | None:
    """One line on why pip gave no file, where its own last line says too little, else None."""
    if found := _MISMATCH.search(output):
        return f"refused, expected sha256 {found[1]}, got {found[2]}"
    if "connection broken by" in output:
        return "the package index does not answer"
    return None


def repack(archive: Path, folder: Path, *, sha256: str | None = None) -> Path:
    """Write a wheel of the archive's Python files and configs alone, for any Python 3.

    The compiled modules and the top-level package ``tools`` are left out, and the metadata says
    so: version with a local part, tag, requirements, list of files.

    Args:
        archive: the wheel as downloaded. It is read once, and hashed before it is opened.
        folder: where the new wheel goes.
        sha256: the only hash that is accepted; default :data:`SHA256`.

    Returns:
        The path of the new wheel.

    Raises:
        ValueError: another hash, or an entry that points out of the archive.
    """
    content = archive.read_bytes()
    digest, sha256 = hashlib.sha256(content).hexdigest(), sha256 or SHA256
    if digest != sha256:
        raise ValueError(f"{archive.name} is refused: expected sha256 {sha256}, got {digest}")
    files: dict[str, bytes] = {}
    old, new = (f"{NAME.replace('-', '_')}-{x}.dist-info" for x in (VERSION, LOCAL_VERSION))
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        for name in source.namelist():
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
                raise ValueError(f"{archive.name}: expected paths below its root, got {name!r}")
            is_compiled = path.suffix in (".so", ".pyd")
            if path.parts[:1] == ("detectron2",) and not (is_compiled or name.endswith("/")):
                files[name] = source.read(name)
        files[f"{new}/LICENSE"] = source.read(f"{old}/LICENSE")
        metadata = source.read(f"{old}/METADATA").decode()
    files[f"{new}/METADATA"] = _edited(metadata).encode()
    files[f"{new}/WHEEL"] = _WHEEL.encode()
    files[f"{new}/top_level.txt"] = b"detectron2\n"
    files[f"{new}/RECORD"] = _record(files, f"{new}/RECORD").encode()
    wheel = folder / f"{NAME.replace('-', '_')}-{LOCAL_VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in files.items():
            target.writestr(name, data)
    return wheel


def _edited(metadata: str) -> str:
    lines = [line for line in metadata.splitlines() if line not in _DROPPED_REQUIREMENTS]
    return (
        "\n".join(lines).replace(f"\nVersion: {VERSION}\n", f"\nVersion: {LOCAL_VERSION}\n") + "\n"
    )


def _record(files: dict[str, bytes], record: str) -> str:
    """Content of RECORD: name, hash and size of each file, and itself without them."""

    def row(name: str, data: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(data)}\n"

    return "".join(row(name, data) for name, data in files.items()) + f"{record},,\n"
