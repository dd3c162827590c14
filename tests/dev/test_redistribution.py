"""The redistribution of Detectron2: one file by its hash, and what is left of it."""

import base64
import hashlib
import re
import subprocess
import sys
import zipfile

import pytest

from dev import redistribution

INFO = "sal_detectron2-0.7.2.dist-info"
NEW_INFO = "sal_detectron2-0.7.2+sepc.dist-info"
METADATA = """Metadata-Version: 2.1
Name: sal-detectron2
Version: 0.7.2
Requires-Dist: tabulate
Requires-Dist: numpy<2
Requires-Dist: black
Requires-Dist: black==23.3.0; extra == "dev"

Long text.
"""
FILES = {
    "detectron2/_C.cpython-310-x86_64-linux-gnu.so": "binary",
    "detectron2/__init__.py": "__version__ = '0.7.2'\n",
    "detectron2/model_zoo/configs/a.yaml": "A: 1\n",
    "tools/__init__.py": "",
    f"{INFO}/LICENSE": "Apache",
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp310-cp310-linux_x86_64\n",
    f"{INFO}/top_level.txt": "detectron2\ntools\n",
    f"{INFO}/RECORD": "tools/__init__.py,sha256=x,0\n",
}


def make_archive(folder, **more):
    """A wheel like the pinned one, and its hash."""
    path = folder / "sal_detectron2-0.7.2-cp310-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (FILES | more).items():
            archive.writestr(name, text)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def repacked(tmp_path):
    archive, digest = make_archive(tmp_path)
    return redistribution.repack(archive, tmp_path, sha256=digest)


def read(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_another_file_is_refused_with_both_hashes_and_nothing_is_opened(tmp_path, monkeypatch):
    archive, digest = make_archive(tmp_path)
    monkeypatch.setattr(redistribution.zipfile, "ZipFile", None)
    message = f"{archive.name} is refused: expected sha256 {redistribution.SHA256}, got {digest}"
    with pytest.raises(ValueError, match=re.escape(message)):
        redistribution.repack(archive, tmp_path)
    assert list(tmp_path.iterdir()) == [archive]


def test_only_python_files_and_configs_are_kept(repacked):
    names = ("METADATA", "WHEEL", "RECORD", "LICENSE", "top_level.txt")
    kept = {"detectron2/__init__.py", "detectron2/model_zoo/configs/a.yaml"}
    files = read(repacked)
    assert set(files) == kept | {f"{NEW_INFO}/{name}" for name in names}
    assert all(files[name] == FILES[name] for name in kept)
    assert files[f"{NEW_INFO}/top_level.txt"] == "detectron2\n"


def test_name_tag_and_metadata_agree(repacked):
    assert repacked.name == "sal_detectron2-0.7.2+sepc-py3-none-any.whl"
    files = read(repacked)
    wheel = files[f"{NEW_INFO}/WHEEL"].splitlines()
    assert "Tag: py3-none-any" in wheel and "Root-Is-Purelib: true" in wheel
    expected = METADATA.replace("0.7.2", "0.7.2+sepc")
    for line in ("Requires-Dist: numpy<2\n", "Requires-Dist: black\n"):
        expected = expected.replace(line, "")
    assert files[f"{NEW_INFO}/METADATA"] == expected


def test_record_lists_every_file_with_its_hash_and_size(repacked):
    files = read(repacked)
    record = f"{NEW_INFO}/RECORD"
    *rows, last = files.pop(record).splitlines()
    assert last == f"{record},,"
    assert len(rows) == len(files)
    for row in rows:
        name, digest, size = row.split(",")
        data = files[name].encode()
        assert int(size) == len(data)
        encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        assert digest == "sha256=" + encoded.rstrip("=")


@pytest.mark.parametrize(
    "name", ["../evil.py", "detectron2/../../evil.py", "/evil.py", "detectron2\\..\\x", "C:/x.py"]
)
def test_entries_that_point_out_of_the_archive_are_refused(name, tmp_path):
    archive, digest = make_archive(tmp_path, **{name: "x"})
    message = f"expected paths below its root, got {name!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        redistribution.repack(archive, tmp_path, sha256=digest)
    assert list(tmp_path.iterdir()) == [archive]


def test_pip_accepts_the_repacked_wheel(repacked, tmp_path):
    pytest.importorskip("pip")
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "-q"]
    target = tmp_path / "target"
    subprocess.run([*pip, "--target", str(target), str(repacked)], check=True, timeout=120)
    assert (target / "detectron2" / "model_zoo" / "configs" / "a.yaml").is_file()
    assert not (target / "tools").exists() and not list(target.rglob("*.so"))


def test_requirement_is_one_version_with_one_hash():
    line = redistribution.requirement()
    assert re.fullmatch(r"sal-detectron2==0\.7\.2 --hash=sha256:[0-9a-f]{64}\n", line)
    assert "--require-hashes" in redistribution.DOWNLOAD
    assert "--only-binary=:all:" in redistribution.DOWNLOAD


def test_both_hashes_are_read_from_pip_s_refusal():
    output = (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n"
        "    sal-detectron2==0.7.2 from https://x.org/a.whl:\n"
        "        Expected sha256 12ab\n"
        "             Got        34cd\n"
    )
    assert redistribution.refusal(output) == "refused, expected sha256 12ab, got 34cd"
    assert redistribution.refusal("ERROR: No matching distribution") is None


def test_an_index_that_does_not_answer_is_told_from_one_without_the_file():
    output = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n"
        "ERROR: No matching distribution found for sal-detectron2==0.7.2\n"
    )
    assert redistribution.refusal(output) == "the package index does not answer"
