"""Compare the redistribution of Detectron2 with a checkout of upstream, and print what differs.

    pip download --no-deps --only-binary=:all: --python-version=3.10 sal-detectron2==0.7.2
    git clone https://github.com/facebookresearch/detectron2
    git -C detectron2 checkout a59f05630a8f205756064244bf5beb8661f96180
    python -m dev.compare_detectron2 sal_detectron2-0.7.2-cp310-none-any.whl detectron2

Every file of the archive is compared byte for byte with its place in the checkout: upstream's
setup.py packs `configs/` into `detectron2/model_zoo/configs/`, and three projects into
`detectron2/projects/`. Exit status: 0 if all files are equal, 1 if some differ, 2 for bad input.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from dev import redistribution

_CONFIGS = "detectron2/model_zoo/configs/"
_PROJECTS = {
    "detectron2/projects/point_rend/": "projects/PointRend/point_rend/",
    "detectron2/projects/deeplab/": "projects/DeepLab/deeplab/",
    "detectron2/projects/panoptic_deeplab/": "projects/Panoptic-DeepLab/panoptic_deeplab/",
}
_PLACES = {_CONFIGS: "configs/"} | _PROJECTS


def place_of(name: str) -> str:
    """Path in a checkout of what the archive has under ``name``."""
    for packed, place in _PLACES.items():
        if name.startswith(packed):
            return place + name.removeprefix(packed)
    return name


def expected_names(checkout: Path) -> set[str]:
    """Names that the archive has for the checkout's Python files and configs."""
    folders = {"detectron2/": "detectron2/"} | _PLACES
    names = set()
    for packed, place in folders.items():
        for path in (checkout / place).rglob("*"):
            if path.suffix in (".py", ".yaml") and path.is_file():
                names.add(packed + path.relative_to(checkout / place).as_posix())
    return names


def differences(archive: Path, checkout: Path) -> Iterator[tuple[str, str]]:
    """A name and what is wrong with it, for each file that is not equal on both sides."""
    with zipfile.ZipFile(archive) as source:
        files = {x: source.read(x) for x in source.namelist() if not x.endswith("/")}
    contents = {name: x for name, x in files.items() if ".dist-info/" not in name}
    for name, content in sorted(contents.items()):
        upstream = checkout / place_of(name)
        if not upstream.is_file():
            yield name, "only in the archive"
        elif content != upstream.read_bytes():
            yield name, _diff(upstream.read_bytes(), content)
    for name in sorted(expected_names(checkout) - set(contents)):
        yield name, "only in the checkout"


def _diff(upstream: bytes, archived: bytes) -> str:
    old, new = (x.decode(errors="replace").splitlines() for x in (upstream, archived))
    lines = list(difflib.unified_diff(old, new, "upstream", "archive", lineterm="", n=1))
    return "differs\n" + "\n".join(lines or ["(in its line ends alone)"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="the wheel of the redistribution")
    parser.add_argument("checkout", type=Path, help="root of a checkout of upstream")
    arguments = parser.parse_args()
    archive, checkout = arguments.archive, arguments.checkout
    if not zipfile.is_zipfile(archive):
        print(f"error: expected a wheel, got {archive}", file=sys.stderr)
        return 2
    if not (checkout / "detectron2" / "__init__.py").is_file():
        print(f"error: expected a checkout of Detectron2, got {checkout}", file=sys.stderr)
        return 2
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    is_pinned = digest == redistribution.SHA256
    print(f"sha256 {digest}, {'the pinned file' if is_pinned else 'not the pinned file'}")
    found = list(differences(archive, checkout))
    for name, what in found:
        print(f"{name}: {what}")
    with zipfile.ZipFile(archive) as source:
        count = sum(".dist-info/" not in name for name in source.namelist())
    print(f"{count} files in the archive, {len(found)} that are not equal on both sides")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
