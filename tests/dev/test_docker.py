"""The images for training and serving, checked by their instructions: no image is built here."""

import fnmatch
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from ..demo.files import write_image
from ..without import run_without

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
INSTRUCTIONS = {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "ENTRYPOINT"}
every_image = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def instructions(path):
    """Every instruction as (name, words), comments left out and continued lines joined."""
    lines = [x for x in path.read_text(encoding="utf-8").splitlines() if not x.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ").splitlines()
    found = [line.partition(" ") for line in whole if line.strip()]
    return [(name, words_of(rest)) for name, _, rest in found]


def words_of(text):
    return json.loads(text) if text.startswith("[") else shlex.split(text)


def arguments(path, wanted):
    return [words for name, words in instructions(path) if name == wanted]


def commands(path):
    """Every command of RUN, split at `&&`."""
    found = []
    for words in arguments(path, "RUN"):
        text = " ".join(map(shlex.quote, words)).replace("'&&'", "&&")
        found += [shlex.split(part) for part in text.split(" && ")]
    return found


def environment(path):
    return dict(word.split("=", 1) for words in arguments(path, "ENV") for word in words)


def test_there_is_one_for_training_and_one_for_serving():
    assert [path.stem for path in FILES] == ["serve", "train"]


@every_image
def test_instructions_and_base(path):
    found = instructions(path)
    assert {name for name, _ in found} <= INSTRUCTIONS
    assert [name for name, _ in found].index("FROM") == 0
    ((base,),) = arguments(path, "FROM")
    tag = base.partition(":")[2]
    assert re.match(r"\d+\.\d+", tag), f"expected a version, got {base}"


@every_image
def test_what_is_copied_exists_and_is_not_ignored(path):
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for *sources, _ in arguments(path, "COPY"):
        for source in sources:
            assert (ROOT / source).exists(), source
            assert not any(fnmatch.fnmatch(source, pattern) for pattern in ignored), source


@every_image
def test_commands_and_packages_exist(path):
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    pinned = {canonicalize_name(name) for name in pinned}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = commands(path)
    assert found
    for program, *words in found:
        if program == "pip":
            assert words[:3] == ["install", "--constraint", "constraints.txt"]
            assert {*map(canonicalize_name, words[3:])} <= pinned
        elif program == "make":
            assert all(re.search(rf"^{word}:", makefile, re.M) for word in words)
        else:
            assert program in ("apt-get", "rm", ".venv/bin/python")
    (entry,) = arguments(path, "ENTRYPOINT")
    assert entry[0] == "python" and (ROOT / entry[1].removeprefix("/sepc/")).is_file()


def test_cuda_is_that_of_torch():
    torch = pytest.importorskip("torch")
    if torch.version.cuda is None:
        pytest.skip("this torch is built without CUDA")
    pinned = re.search(r"^torch==([\d.]+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    if torch.__version__.partition("+")[0] != pinned[1]:
        pytest.skip(f"this is not the pinned torch {pinned[1]}")
    (train,) = (path for path in FILES if path.stem == "train")
    ((base,),) = arguments(train, "FROM")
    assert base.startswith(f"nvidia/cuda:{torch.version.cuda}.")


def test_serving_runs_from_what_is_copied_and_installed(tmp_path, monkeypatch):
    """The entry point in a copy of the image's files, without packages that it does not install."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from ..demo.test_onnx_detector import write_detector

    path, image = ROOT / "docker" / "serve.Dockerfile", tmp_path / "image"
    image.mkdir()
    for source, target in arguments(path, "COPY"):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, image / target)
        else:
            shutil.copy(ROOT / source, image / target)
    (_, entry), *_ = arguments(path, "ENTRYPOINT")
    monkeypatch.setenv("PYTHONPATH", environment(path)["PYTHONPATH"].replace("/sepc", str(image)))
    detector = write_detector(
        tmp_path / "d.onnx", [3, 16, 24], {"batch": "none", "image_size": "16,24"}
    )
    picture = write_image(tmp_path / "a.png")
    others = ("torch", "torchvision", "detectron2", "onnx", "pycocotools", "matplotlib", "scipy")
    for program, *options in (
        (entry.replace("/sepc", str(image)), detector, picture, "--threshold", "0"),
        (image / "tools" / "demo.py", "--onnx", detector, "--input", picture, "--output"),
    ):
        output = [tmp_path / "found.png"] if options[-1] == "--output" else []
        done = run_without(others, program, *options, *output)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "found.png").is_file()
