"""Files that tell others how to use, cite and change this repository agree with one another."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sepc

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def releases() -> list[str]:
    """Versions that have a heading in CHANGELOG.md, newest first."""
    return re.findall(r"^## (\d+\.\d+\.\d+)$", read("CHANGELOG.md"), re.MULTILINE)


def test_version_is_that_of_the_newest_heading():
    assert sepc.__version__ == releases()[0]
    assert yaml.safe_load(read("CITATION.cff"))["version"] == sepc.__version__


def test_headings_are_semantic_versions_and_fall():
    headings = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert [heading for heading in headings if heading != "Unreleased"] == releases()
    assert "Unreleased" not in headings[1:]
    numbers = [tuple(map(int, version.split("."))) for version in releases()]
    assert numbers == sorted(set(numbers), reverse=True)


def test_tag_of_this_commit_is_the_version():
    """Tags of others than versions are nobody's business."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git, or no clone")
    done = subprocess.run(
        ["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    versions = [tag for tag in done.stdout.split() if re.fullmatch(r"v\d.*", tag)]
    assert versions in ([], [f"v{sepc.__version__}"])


def test_citation_file_cites_the_paper_of_the_readme():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["license"] == re.search(r'text = "(.*?)"', read("pyproject.toml"))[1]
    paper = citation["preferred-citation"]
    for page in ("README.md", "projects/SEPC/README.md"):
        bibtex = dict(re.findall(r"^  (\w+) *= \{(.*)\},?$", read(page), re.MULTILINE))
        authors = (f"{x['family-names']}, {x['given-names']}" for x in paper["authors"])
        assert bibtex == {
            "title": paper["title"],
            "author": " and ".join(authors),
            "booktitle": paper["collection-title"],
            "year": str(paper["year"]),
        }


def test_hooks_before_a_commit_are_make_lint():
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    entries = {hook["entry"].removesuffix(" --force-exclude") for hook in hooks}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)*)", read("Makefile"), re.MULTILINE)[1]
    programs = re.findall(r"-m ((?:ruff|mypy)(?: (?:check|format))?)", lint)
    assert entries == {f"python -m {program}" for program in programs}


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.md")), ids=lambda x: x.name)
def test_templates_for_issues_have_a_name_and_a_purpose(path):
    """GitHub shows no template without them."""
    if path.parent.name != "ISSUE_TEMPLATE":
        return
    _, head, body = path.read_text(encoding="utf-8").split("---\n", maxsplit=2)
    assert set(yaml.safe_load(head)) == {"name", "about"}
    assert body.strip()


def test_nothing_imports_the_folder_of_tools():
    """Upstream's Detectron2 installs a package of that name, which would be found in its place."""
    folders = (
        "benchmarks",
        "dev",
        "examples",
        "projects",
        "quickstart",
        "studies",
        "tests",
        "tools",
    )
    imports = re.compile(r"^\s*(from|import) tools\b", re.MULTILINE)
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    assert [str(file) for file in files if imports.search(file.read_text(encoding="utf-8"))] == []
