"""The wheel and the sdist: what they hold and say, and that they work where no checkout is."""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import torch

from quickstart.data.coco_folder import write_dataset

from .conftest import HAS_DETECTRON2

ROOT = Path(__file__).resolve().parents[1]
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
BUILD = (
    "import sys; from setuptools import build_meta as b; folder = sys.argv[1]; "
    "b.build_wheel(folder); b.build_sdist(folder)"
)
CONFIG = "quickstart/retinanet_sepc.py"
SMALL = (
    "dataloader.train.total_batch_size=2",
    "dataloader.train.num_workers=0",
    "dataloader.test.num_workers=0",
    "model.backbone.out_channels=8",
    "train.eval_period=0",
    "train.output_dir=out",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with a wheel and an sdist, built offline from a copy of the sources and a test."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("projects", "configs", *FILES):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    (source / "tests").mkdir()
    shutil.copy(__file__, source / "tests")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(target)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (x for x in archive.namelist() if x.endswith(".dist-info/METADATA"))
        return email.message_from_string(archive.read(name).decode("utf-8"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run a program of a fresh environment that has the wheel, and the packages of this one."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
    )
    packages = {str(Path(torch.__file__).parents[1]), *(x for x in sys.path if "-packages" in x)}
    (Path(found.stdout.strip()) / "borrowed.pth").write_text("\n".join(sorted(packages)) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index"]
    done = subprocess.run([*pip, "--no-deps", wheel], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    def run(program, *arguments, **environment):
        return subprocess.run(
            [folder / "venv" / "bin" / program, *map(str, arguments)],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
        )

    return run


def test_wheel_holds_the_package_and_all_configs_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {x for x in archive.namelist() if ".dist-info/" not in x}
    package = ROOT / "projects" / "SEPC" / "sepc"
    expected = {f"sepc/{p.relative_to(package)}" for p in package.rglob("*") if p.is_file()}
    configs = {p for p in (ROOT / "configs").rglob("*") if p.is_file()}
    expected |= {f"sepc/configs/{p.relative_to(ROOT / 'configs')}" for p in configs}
    assert names == {name for name in expected if not name.endswith(".pyc")}
    assert "sepc/configs/yaml/retinanet_R_50_FPN_sepc_1x.yaml" in names


def test_sdist_holds_what_the_wheel_is_built_from(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {x.name.partition("/")[2] for x in archive.getmembers() if x.isfile()}
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE"} <= names
    assert f"configs/{CONFIG}" in names and "projects/SEPC/sepc/report/style.css" in names
    assert [x for x in names if re.search(r"(^|/)tests?/|\.pyc$", x)] == []


def test_metadata_is_what_an_index_shows(metadata):
    page = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert page.startswith("# SEPC for Detectron2") and "## Installation" in page
    links = re.findall(r"\]\(([^)\s]+)\)", page) + re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links and [link for link in links if not link.startswith("https://")] == []
    assert "\n" not in metadata["Summary"] and len(metadata["Summary"]) <= 512
    urls = dict(x.split(", ", 1) for x in metadata.get_all("Project-URL"))
    assert {"Paper", "Official code", "Detectron2"} <= set(urls)
    assert all(url.startswith("https://") for url in urls.values())
    classifiers = metadata.get_all("Classifier")
    assert len(classifiers) == len(set(classifiers))
    minimum = metadata["Requires-Python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {minimum}" in classifiers


def test_program_of_the_wheel(installed):
    for arguments in (("sepc", "--help"), ("python", "-m", "sepc.commands", "--help")):
        done = installed(*arguments)
        assert done.returncode == 0 and "usage: sepc COMMAND" in done.stdout, done.stderr
    assert re.search(r"sepc \d+\.\d+\.\d+", installed("sepc", "--version").stdout)


@pytest.mark.slow  # the program's own test stays
@pytest.mark.skipif(not HAS_DETECTRON2, reason="Detectron2 is not installed")
def test_wheel_checks_data_trains_and_has_a_model_zoo(installed, tmp_path):
    data = tmp_path / "shapes"
    write_dataset(data, train_images=4, val_images=2, image_size=64, seed=3, progress=False)
    done = installed("sepc", "check-data", data)
    assert done.returncode == 0 and "train: 4 images, 0 problem(s)" in done.stdout, done.stderr
    flags = ("--config-file", CONFIG, *SMALL, "train.max_iter=2", "--num-gpus", 0)
    done = installed("sepc", "train", *flags, DETECTRON2_DATASETS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"{CONFIG} is no file here: using the one of the package" in done.stdout + done.stderr
    code = (
        "import sepc; from sepc.d2 import model_zoo; from pathlib import Path\n"
        f"model = model_zoo.get({CONFIG!r}, device='cpu')\n"
        f"file = model_zoo.get_config_file({CONFIG!r})\n"
        "print(type(model).__name__, Path(file).relative_to(Path(sepc.__file__).parent))\n"
        "print('/venv/' in file, Path('out/model_final.pth').is_file())"
    )
    done = installed("python", "-c", code)
    assert done.stdout.split() == ["RetinaNet", f"configs/{CONFIG}", "True", "True"], done.stderr
