"""The command lines: answered without heavy imports, flags in any order, bad input in one line."""

import json
import runpy
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sepc.commands import __main__ as program
from sepc.commands.parser import Parser

ROOT = Path(__file__).resolve().parents[1]
TOOLS = [ROOT / "train_net.py", *sorted((ROOT / "tools").glob("*.py"))]
TOOLS = [path for path in TOOLS if path.name != "generate_data.py"]  # of the quick start
HEAVY = ("torch", "detectron2", "numpy", "cv2", "matplotlib", "pycocotools", "onnxruntime")

# what each argument vector ends in: the exit status, and what has been imported of HEAVY
ANSWER = f"""
import io, json, runpy, sys
from contextlib import redirect_stderr, redirect_stdout
from sepc.commands.__main__ import main

found = []
for run in json.loads(sys.argv[1]):
    file, *arguments = run
    sys.argv = run
    texts = io.StringIO()
    try:
        with redirect_stdout(texts), redirect_stderr(texts):
            if file == "sepc":
                sys.exit(main(arguments))
            runpy.run_path(file, run_name="__main__")
    except SystemExit as end:
        found.append([run, end.code, texts.getvalue()])
print(json.dumps([found, [x for x in {HEAVY!r} if x in sys.modules]]))
"""


@pytest.fixture(scope="module")
def answers():
    """Answers of all programs to --help and to a wrong flag, by the command."""
    ways = (["--help"], ["--wrong-flag"])
    names = ["sepc", *(f"sepc {program.spelled(name)}" for name in program.names())]
    runs = [[*name.split(), *way] for name in names for way in ways]
    runs += [[str(path), *way] for path in TOOLS for way in ways]
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, json.dumps(runs)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "projects" / "SEPC")},
    )
    assert done.returncode == 0, done.stderr
    found, heavy = json.loads(done.stdout)
    assert len(found) == len(runs) >= 60
    return {" ".join(run): (status, text) for run, status, text in found}, heavy


def test_help_and_wrong_flags_are_answered_without_heavy_imports(answers):
    found, heavy = answers
    assert heavy == []
    for command, (status, _) in found.items():
        assert status == (0 if command.endswith("--help") else 2), command


def test_help_shows_examples_of_this_program(answers):
    found, _ = answers
    for command, (_, text) in found.items():
        name = command.removesuffix(" --help")
        if name in (command, "sepc"):
            continue
        name = name.replace(f"{ROOT}/", "python ")
        examples = [x for x in text.splitlines() if x.startswith(f"    {name} ")]
        assert text.startswith(f"usage: {name} ") and examples, command
        for example in examples:  # whose flags there are
            flags = [x for x in example.split() if x.startswith("--")]
            assert all(flag in text.replace(example, "") for flag in flags), example


def test_wrong_flags_are_named(answers):
    found, _ = answers
    for command, (_, text) in found.items():
        if command.endswith(" --wrong-flag"):
            last = text.strip().splitlines()[-1]
            assert ": error: " in last or "expected one of train, eval" in last, command


def test_list_has_every_command_and_its_first_line(answers):
    text = answers[0]["sepc --help"][1]
    for name in program.names():
        assert program.spelled(name) in text
    assert "Time a detector from pixels to boxes" in text


@pytest.mark.parametrize("order", [0, 1, 2])
def test_flags_may_stand_after_overrides(order):
    """In every command that takes overrides, wherever one puts them."""
    tried = 0
    for name, required in REQUIRED.items():
        parse_args = import_module(f"sepc.commands.{name}").parse_args
        positional, flags = required
        words = [[*positional, "train.max_iter=5", "model.a=1"], flags]
        argv = words[order] + words[1 - order] if order < 2 else [*words[0], *flags, "train.b=2"]
        args = parse_args(argv)
        assert args.opts[:2] == ["train.max_iter=5", "model.a=1"], name
        assert args.config_file == "c.py" if name != "check_data" else args.source == "c.py"
        assert order < 2 or args.opts[2:] == ["train.b=2"]
        tried += 1
    overridden = [x for x in program.names() if '"opts"' in source_of(x)]
    assert {*overridden, "eval"} == set(REQUIRED) and tried > 8


CONFIG = ["--config-file", "c.py"]
# of the commands that take overrides: positional arguments and flags
REQUIRED = {
    "train": ([], [*CONFIG, "--resume"]),
    "eval": ([], [*CONFIG, "--num-gpus", "0"]),
    "bench": ([], [*CONFIG, "--rounds", "3"]),
    "check_data": (["c.py"], ["--page", "page.html"]),
    "export": (["model.onnx"], [*CONFIG, "--weights", "a.pth"]),
    "average_checkpoints": ([], ["--weights", "a", "b", *CONFIG, "--output", "c.pth"]),
    "calibrate_norm": ([], [*CONFIG, "--weights", "a", "b"]),
    "evaluate_exported": (["a.onnx"], CONFIG),
    "pyramid_usage": ([], [*CONFIG, "--seed", "1"]),
    "robustness": ([], [*CONFIG, "--output", "out"]),
}


def source_of(name):
    return Path(program.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")


def test_flags_may_stand_after_the_overrides_of_a_demo():
    parse_args = import_module("sepc.commands.predict").parse_args
    args = parse_args([*CONFIG, "--opts", "a=1", "b=2", "--input", "x.png", "--batch-size", "2"])
    assert (args.opts, args.input, args.batch_size) == (["a=1", "b=2"], ["x.png"], 2)


def test_weights_of_an_evaluation_are_the_checkpoint():
    parse_args = import_module("sepc.commands.eval").parse_args
    args = parse_args([*CONFIG, "train.seed=1", "--weights", "a.pth"])
    assert args.opts == ["train.seed=1", "train.init_checkpoint=a.pth"]
    assert args.eval_only and not args.resume


def test_choices_are_those_of_the_work():
    """They are written down once more, as the work is heavy to import."""
    pytest.importorskip("cv2")
    from sepc.calibration import ANY_OVERLAP, CALIBRATORS
    from sepc.commands import calibrate_scores, evaluate_lvis, robustness
    from sepc.evaluation.per_class import PER_CLASS
    from sepc.export.precision import PRECISIONS
    from sepc.robustness import CORRUPTIONS, SEVERITIES

    assert (tuple(CORRUPTIONS), SEVERITIES) == (robustness.CORRUPTIONS, robustness.SEVERITIES)
    for values, name in (
        (PRECISIONS, "quantize_onnx"),
        (CALIBRATORS, "calibrate_scores"),
    ):
        quoted = ", ".join(f'"{value}"' for value in values)
        assert f"choices=({quoted})" in source_of(name)
    files = ["--annotations", "a", "--results", "b"]
    assert calibrate_scores.parse_args([*files, "--output", "c"]).iou == ANY_OVERLAP
    assert evaluate_lvis.parse_args(files).per_class == PER_CLASS


def test_program_starts_what_is_asked_for(tmp_path, capsys):
    assert program.main(["check_data", str(tmp_path)]) == 2  # tools have underscores
    assert "expected " in capsys.readouterr().err
    assert program.main(["chek-data"]) == 2
    assert capsys.readouterr().err.startswith("sepc: expected one of train, eval, ")


@pytest.mark.parametrize(
    ("missing", "name", "command"),
    [
        ("detectron2", "Detectron2", ["pyramid-usage", "--config-file", "c.py"]),
        ("torch", "the package torch", ["quantize-onnx", "a", "b", "--precision", "float16"]),
    ],
)
def test_missing_package_is_one_line(missing, name, command):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from sepc.commands.__main__ import main\n"
        f"sys.exit(main({command}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"error: this needs {name}, which is not installed\n"


def test_tools_call_commands(monkeypatch, capsys):
    """The same code, with the same exit status."""
    for path in TOOLS:
        monkeypatch.setattr(sys, "argv", [str(path), "--help"])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(path), run_name="__main__")
        assert end.value.code == 0 and "usage: " in capsys.readouterr().out


def test_parser_says_how_it_was_called(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["tools/demo.py"])
    assert Parser("%(prog)s --onnx FILE").format_help().startswith("usage: python tools/demo.py")
