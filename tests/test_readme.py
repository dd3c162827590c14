"""What every page names exists, its commands parse, and its Python runs."""

import ast
import copy
import functools
import importlib
import importlib.util
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "projects" / "SEPC" / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
]
TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}
README = TEXT[ROOT / "README.md"]
INSTALL = TEXT[ROOT / "docs" / "install.md"]
# pages on this version; the list of changes names what is gone as well
CURRENT = {page: text for page, text in TEXT.items() if page.name != "CHANGELOG.md"}
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
current_page = pytest.mark.parametrize("page", CURRENT, ids=lambda x: str(x.relative_to(ROOT)))

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"(?<![\w/.])(?:configs|tools|tests|docs|dev|quickstart|studies|benchmarks|examples|projects)"
    r"/[\w./-]*\w"
)
NAME = re.compile(r"^(sepc(?:\.\w+)+)")
# what the pages tell the reader to write
READERS_CONFIG = "configs/my_data/retinanet_sepc_lite.py"
PLACEHOLDER = re.compile(r"FILE|FOLDER|NAME")  # not the value of an override


def blocks(text: str, language: str) -> list[str]:
    found = []
    for indent, name, body in BLOCK.findall(text):
        if name == language:
            found.append("\n".join(line.removeprefix(indent) for line in body.splitlines()))
    return found


def code(text: str) -> list[str]:
    """What stands between backticks in the prose of a page."""
    return CODE.findall(BLOCK.sub("", text))


def commands(start: str) -> list[tuple[Path, list[str]]]:
    """Every command of every page that starts so, as (page, words without the comment)."""
    found = []
    for page, text in TEXT.items():
        for block in blocks(text, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith(start):
                    found.append((page, shlex.split(line, comments=True)))
    return found


def anchors(text: str) -> set[str]:
    """GitHub's anchors of the headings, and those written as <a name>."""
    prose = BLOCK.sub("", text)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {w.replace(" ", "-") for w in words} | set(re.findall(r'<a name="([^"]+)"', prose))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(BLOCK.sub("", TEXT[page])) if "://" not in link]
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            broken.append(link)
    assert broken == []


def test_every_page_is_linked() -> None:
    """From another page, so that whoever needs it gets there."""
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(BLOCK.sub("", TEXT[page]))
        if "://" not in link and not link.startswith("#")
    }
    pages = set(PAGES[2:]) - set((ROOT / ".github").rglob("*.md"))
    assert sorted(str(page.relative_to(ROOT)) for page in pages - linked) == []


@current_page
def test_paths_exist(page: Path) -> None:
    paths = set(PATH.findall(TEXT[page])) - {READERS_CONFIG}
    planned = {path for path in paths if re.search(r"/x\.py$", path)}  # "a detector `x`"
    assert [path for path in sorted(paths - planned) if not (ROOT / path).exists()] == []


@current_page
def test_names_of_the_package_exist(page: Path) -> None:
    """Names such as `sepc.d2.engine.evaluate`; those of the binding where Detectron2 is found."""
    names = {match[1] for words in code(TEXT[page]) if (match := NAME.match(words))}
    if importlib.util.find_spec("detectron2") is None:
        names = {name for name in names if not name.startswith("sepc.d2")}
    names -= {"sepc.json"}  # a file within an exported one
    assert [name for name in sorted(names) if not resolves(name)] == []


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
        return True
    except ModuleNotFoundError:
        return bool(module) and hasattr(importlib.import_module(module), attribute)


def makefile_modules() -> dict[str, str | None]:
    """The program behind each target of the Makefile, None for a target without one."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {}
    for name, recipe in re.findall(r"^([a-z0-9-]+):[^\n]*\n((?:\t[^\n]*\n)*)", text, re.MULTILINE):
        program = re.search(r"-m ((?:quickstart|studies|benchmarks)[\w.]*)", recipe)
        targets[name] = program[1] if program else None
    return targets


def test_make_targets_exist() -> None:
    targets = makefile_modules()
    named = {
        target
        for text in TEXT.values()
        for words in blocks(text, "bash") + code(text)
        for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", words)
    }
    assert {"quickstart", "test", "detectron2"} <= named
    assert named - set(targets) == set()


def test_versions_are_those_of_the_project() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (minimum,) = re.findall(r'requires-python = ">=([\d.]+)"', pyproject)
    setup = (ROOT / "dev" / "setup_env.py").read_text(encoding="utf-8")
    for page in (README, INSTALL):
        assert f"Python {minimum} or newer" in page
        (extras,) = re.findall(r"-e \"\.\[([\w,]+)\]\"", page)
        for extra in extras.split(","):
            assert re.search(rf"^{extra} = \[", pyproject, re.MULTILINE), extra
        (commit,) = set(re.findall(r"detectron2@([0-9a-f]{40})", page))
        assert commit in setup
    floors = list(dict.fromkeys(re.findall(r'"torch>=([\d.]+)"', pyproject)))
    assert floors == re.findall(r"torch (\d[\d.]*\d)\b", INSTALL)
    table = set(re.findall(r"^\| `(\w+)` \|", INSTALL, re.MULTILINE))
    section = pyproject.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    assert table == set(re.findall(r"^(\w+) = \[", section, re.MULTILINE))


PYTHON = [(page, block) for page, text in TEXT.items() for block in blocks(text, "python")]


@pytest.mark.parametrize(("page", "source"), PYTHON, ids=range(len(PYTHON)))
def test_python_runs(
    page: Path, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks that need torch only, and no download or file, run; the others compile."""
    code = compile(source, str(page), "exec")
    of_files = "weights=" in source or ".onnx" in source
    if not imported(source) <= {"torch", "torchvision", "sepc"} or of_files:
        return
    if "sepc.d2" in source:
        pytest.importorskip("detectron2")
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "readme"})


def imported(source: str) -> set[str]:
    """Top-level packages that a block imports."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return {name.partition(".")[0] for name in names}


def readers_config(tmp_path: Path) -> Path:
    """The config that docs/own_data.md tells the reader to write, beside a copy of ours."""
    (config,) = blocks(TEXT[ROOT / "docs" / "own_data.md"], "python")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    path = tmp_path / READERS_CONFIG
    path.parent.mkdir(exist_ok=True)
    path.write_text(config, encoding="utf-8")
    return path


def overrides(text: str) -> list[str]:
    """Overrides that a page names in its prose, such as `train.amp.enabled=True`."""
    key = r"^\+?(?:train|model|dataloader|optimizer|lr_multiplier)\.[\w.]+=\S+$"
    found = [words for words in code(text) if re.match(key, words)]
    return [words for words in found if not PLACEHOLDER.search(words)]


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Config files are read once for all the overrides that are tried on them."""
    pytest.importorskip("detectron2")
    from sepc.d2.engine import config

    read = functools.cache(config._read)
    monkeypatch.setattr(config, "_read", lambda path: copy.deepcopy(read(path)))


@pytest.mark.usefixtures("read_once")
def test_commands_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every train_net.py command has flags that exist, and overrides that its config takes."""
    pytest.importorskip("detectron2")
    from detectron2.data import DatasetCatalog

    from sepc.commands.train import parse_args
    from sepc.d2.engine import load_config

    readers_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = [words for _, words in commands("python train_net.py")]
    assert len(found) >= 10
    try:
        for command in found:
            args = parse_args(command[2:])
            cfg = load_config(args.config_file, args.opts)
            assert cfg.model.head
    finally:
        forget("my_data", DatasetCatalog)


@pytest.mark.usefixtures("read_once")
def test_overrides_and_keys_of_the_prose_exist() -> None:
    """In the config that the README trains or in one of another kind; and the trunk takes them."""
    pytest.importorskip("detectron2")
    import torch
    from detectron2.config import instantiate

    from sepc.d2.engine import load_config

    bases = [
        str(ROOT / "configs" / name)
        for name in (
            "COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x.py",
            "released/retinanet_R_50_FPN_sepc_1x.py",
            "released/atss_R_50_FPN_sepc_noibn_1x.py",
            "COCO-Detection/retinanet_R_50_rcnet_sepc_lite_1x.py",
            "COCO-Detection/faster_rcnn_R_50_FPN_pconv_1x.py",
            "quickstart/fcos_sepc.py",
        )
    ]
    configs = [load_config(path) for path in bases]
    assert "train.amp.enabled=True" in overrides(TEXT[ROOT / "docs" / "training.md"])
    keys = r"^(?:train|model|dataloader|optimizer|lr_multiplier)\.[\w.]+$"
    for page, text in CURRENT.items():
        for override in overrides(text):
            key = override.partition("=")[0]
            first = 0 if key[0] == "+" else [has_key(cfg, key) for cfg in configs].index(True)
            cfg = load_config(bases[first], [override])
            if key.removeprefix("+").startswith("model."):
                with torch.device("meta"):
                    instantiate(cfg.model.head.trunk)
        for key in (words for words in code(text) if re.match(keys, words)):
            assert any(has_key(cfg, key) for cfg in configs), (page, key)


def test_yaml_keys_exist() -> None:
    pytest.importorskip("detectron2")
    from detectron2.config import get_cfg

    from sepc.d2.cfgnode import add_sepc_config

    cfg = get_cfg()
    add_sepc_config(cfg)
    named = {key for text in TEXT.values() for key in re.findall(r"\bMODEL(?:\.[A-Z_]+)+", text)}
    assert "MODEL.SEPC.VARIANT" in named
    assert [key for key in sorted(named) if not has_key(cfg, key)] == []


def sources_of(module: str) -> str:
    """The text of a program of this repository, which names its flags."""
    path = ROOT / module.replace(".", "/")
    path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    return path.read_text(encoding="utf-8")


def sources_of_tool(path: str) -> str:
    """The text of a file with a program, or that of the command which it starts."""
    text = (ROOT / path).read_text(encoding="utf-8")
    started = re.search(r"^from sepc\.commands\.(\w+) import", text, re.MULTILINE)
    return sources_of_command(started[1]) if started else text


def sources_of_command(name: str) -> str:
    """The text of a command; of train's as well, whose flags others take over."""
    folder = ROOT / "projects" / "SEPC" / "sepc" / "commands"
    names = [name.replace("-", "_"), *(["train"] if name == "eval" else [])]
    return "".join((folder / f"{x}.py").read_text(encoding="utf-8") for x in names)


def test_flags_of_programs_exist() -> None:
    """Of tools, examples and dev by their files, of modules and make targets by theirs."""
    found = []
    for start in ("python tools/", "python examples/", "python dev/"):
        found += [(sources_of_tool(words[1]), words[2:]) for _, words in commands(start)]
    commands_named = [words for _, words in commands("sepc ") if words[1] != "--help"]
    found += [(sources_of_command(words[1]), words[2:]) for words in commands_named]
    for start in ("quickstart", "studies", "benchmarks", "dev"):
        found += [(sources_of(words[2]), words[3:]) for _, words in commands(f"python -m {start}")]
    modules = makefile_modules()
    for text in TEXT.values():
        for words in blocks(text, "bash") + code(text):
            for target, quoted, plain in re.findall(
                r'\bmake ([a-z0-9-]+) ARGS=(?:"([^"]*)"|(\S+))', words
            ):
                module = modules[target]
                assert module is not None, f"make {target} ARGS"
                found.append((sources_of(module), shlex.split(quoted or plain)))
    assert len(found) >= 25
    for source, arguments in found:
        for flag in (x for x in arguments if x.startswith("--")):
            assert f'"{flag}"' in source, (flag, arguments)


def test_readers_config_is_what_it_says(tmp_path: Path) -> None:
    pytest.importorskip("detectron2")
    from detectron2.config import instantiate
    from detectron2.data import DatasetCatalog

    from sepc.d2.engine import load_config

    try:
        cfg = load_config(str(readers_config(tmp_path)))
        assert {"my_data_train", "my_data_val"} <= set(DatasetCatalog.list())
        assert cfg.dataloader.train.dataset.names == "my_data_train"
        assert cfg.dataloader.evaluator.dataset_name == "my_data_val"
        assert instantiate(cfg.model.head).cls_score.out_channels == 9 * 3
        base = load_config(str(ROOT / "configs/COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x.py"))
        for section in ("model", "optimizer", "lr_multiplier", "train"):
            assert set(cfg[section]) == set(base[section])
    finally:
        forget("my_data", DatasetCatalog)


def has_key(cfg: Any, key: str) -> bool:
    node = cfg
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return False
        node = node[name]
    return True


def forget(prefix: str, catalog: Any) -> None:
    from detectron2.data import MetadataCatalog

    for name in (f"{prefix}_train", f"{prefix}_val"):
        if name in catalog.list():
            catalog.remove(name)
            MetadataCatalog.remove(name)
