"""What the READMEs name exists, their commands parse, and their Python runs."""

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "projects" / "SEPC" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
README = PAGES[0].read_text(encoding="utf-8")

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"(?<![\w/.])(?:configs|tools|tests|docs|dev|quickstart|studies|benchmarks)/[\w./-]*\w"
)
# what the README tells the reader to write
READERS_CONFIG = "configs/my_data/retinanet_sepc_lite.py"


def blocks(text: str, language: str) -> list[str]:
    found = []
    for indent, name, body in BLOCK.findall(text):
        if name == language:
            found.append("\n".join(line.removeprefix(indent) for line in body.splitlines()))
    return found


def anchors(text: str) -> set[str]:
    """GitHub's anchors of the headings, and those written as <a name>."""
    prose = BLOCK.sub("", text)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {w.replace(" ", "-") for w in words} | set(re.findall(r'<a name="([^"]+)"', prose))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    links = [link for link in LINK.findall(prose) if "://" not in link]
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_exist(page: Path) -> None:
    paths = set(PATH.findall(page.read_text(encoding="utf-8"))) - {READERS_CONFIG}
    planned = {path for path in paths if re.search(r"/x\.py$", path)}  # "a new detector `x`"
    assert [path for path in sorted(paths - planned) if not (ROOT / path).exists()] == []


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    commands = "\n".join(blocks(README, "bash") + re.findall(r"`([^`\n]+)`", README))
    named = set(re.findall(r"\bmake ([a-z0-9-]+)", commands))
    assert {"quickstart", "test"} <= named
    assert named - targets == set()


def test_versions_are_those_of_the_project() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (minimum,) = re.findall(r'requires-python = ">=([\d.]+)"', pyproject)
    assert f"Python {minimum} or newer" in README
    (extras,) = re.findall(r"-e \"\.\[([\w,]+)\]\"", README)
    for extra in extras.split(","):
        assert re.search(rf"^{extra} = \[", pyproject, re.MULTILINE), extra
    (commit,) = set(re.findall(r"detectron2@([0-9a-f]{40})", README))
    assert commit in (ROOT / "dev" / "setup_env.py").read_text(encoding="utf-8")


PYTHON = [(page, block) for page in PAGES for block in blocks(page.read_text("utf-8"), "python")]


@pytest.mark.parametrize(("page", "source"), PYTHON, ids=range(len(PYTHON)))
def test_python_runs(
    page: Path, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks that need torch only, and no download, run; the others compile."""
    code = compile(source, str(page), "exec")
    if not imported(source) <= {"torch", "torchvision", "sepc"} or "weights=" in source:
        return
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
    """The config that the README tells the reader to write, beside a copy of ours."""
    (config,) = (b for b in blocks(README, "python") if "register_coco_folder(" in b)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    path = tmp_path / READERS_CONFIG
    path.parent.mkdir(exist_ok=True)
    path.write_text(config, encoding="utf-8")
    return path


def commands_of_train_net() -> list[list[str]]:
    lines = "\n".join(b for page in PAGES for b in blocks(page.read_text("utf-8"), "bash"))
    lines = lines.replace("\\\n", " ").splitlines()
    return [shlex.split(x) for x in lines if x.startswith("python train_net.py")]


def test_commands_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every train_net.py command has flags that exist, and overrides that its config takes."""
    pytest.importorskip("detectron2")
    from detectron2.data import DatasetCatalog
    from detectron2.engine import default_argument_parser

    from sepc.d2.engine import load_config

    readers_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = commands_of_train_net()
    assert len(commands) >= 5
    table = re.findall(r"`(\+?(?:train|model|dataloader)\.[\w.]+=[^`]+)`", README)
    table = [override for override in table if "FILE" not in override]
    assert "train.amp.enabled=True" in table
    commands.append([*commands[0], *table])
    try:
        for command in commands:
            args = default_argument_parser().parse_args(command[2:])
            cfg = load_config(args.config_file, args.opts)
            assert cfg.model.head.trunk.variant
        keys = re.findall(r"`((?:train|model|dataloader|lr_multiplier)\.[\w.]+)`", README)
        assert "model.num_classes" in keys
        for key in keys:
            assert has_key(cfg, key), key
    finally:
        forget("my_data", DatasetCatalog)


def test_flags_of_tools_exist() -> None:
    bash = [block for page in PAGES for block in blocks(page.read_text("utf-8"), "bash")]
    text = "\n".join(bash).replace("\\\n", " ")
    commands = [shlex.split(x) for x in text.splitlines() if x.startswith("python tools/")]
    assert commands
    for _, tool, *arguments in commands:
        source = (ROOT / tool).read_text(encoding="utf-8")
        for flag in (x for x in arguments if x.startswith("--")):
            assert f'"{flag}"' in source, (tool, flag)


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


def has_key(cfg: object, key: str) -> bool:
    node = cfg
    for name in key.split("."):
        if name not in node:  # type: ignore[operator]
            return False
        node = node[name]  # type: ignore[index]
    return True


def forget(prefix: str, catalog: object) -> None:
    from detectron2.data import MetadataCatalog

    for name in (f"{prefix}_train", f"{prefix}_val"):
        if name in catalog.list():  # type: ignore[attr-defined]
            catalog.remove(name)  # type: ignore[attr-defined]
            MetadataCatalog.remove(name)
