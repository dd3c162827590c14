"""The reference's numbers on every path that the trunk can take, not only on its own.

Each test sees from the operators that ran that its path was taken.
"""

from collections import Counter

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils._python_dispatch import TorchDispatchMode

from sepc import optimize_for_inference
from sepc.layers import deform_conv
from sepc.layers.fast.winograd import use_winograd

from .golden import case as golden
from .golden.conftest import DEFAULT_FOLDER
from .golden.runners import neck

CASES = [c for c in golden.load_cases(DEFAULT_FOLDER) if c.kind in neck.RUNNERS]
EVAL = [c for c in CASES if c.kind == "neck_eval"]
TRAIN = [c for c in CASES if c.kind == "neck_train"]
DEFORMING = [c for c in CASES if c.config["pconv_deform"] or c.config["lcconv_deform"]]

WINOGRAD = "aten::bmm"  # its products; a trunk has no others
SAMPLING = "aten::_embedding_bag_forward_only"
TORCHVISION = "torchvision::deform_conv2d"


class Operators(TorchDispatchMode):
    """Counts the operators that run."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[function._schema.name] += 1
        return function(*args, **(kwargs or {}))


def watch(trunk, seen):
    """Append the operators of every forward pass to ``seen``, a Counter each."""
    forward = trunk.forward

    def watched(features):
        with Operators() as operators:
            outputs = forward(features)
        seen.append(operators.counts)
        return outputs

    trunk.forward = watched
    return trunk


@pytest.fixture
def run(monkeypatch):
    """Run a case with its trunk in another form; returns what :func:`watch` has seen."""

    def call(case, form=lambda trunk: trunk):
        seen = []
        build = neck.build_trunk
        monkeypatch.setattr(neck, "build_trunk", lambda case: watch(form(build(case)), seen))
        neck.RUNNERS[case.kind](case)
        assert seen
        return seen

    return call


@pytest.fixture
def wider_bar(monkeypatch):
    """Three times the usual bar: Winograd's filtering rounds otherwise than the reference."""
    monkeypatch.setattr(golden, "BAR", 3 * golden.BAR)


def ids(cases):
    return [case.name for case in cases]


@pytest.mark.parametrize("case", EVAL, ids=ids(EVAL))
def test_folded_with_winograd(case, run, wider_bar):
    for operators in run(case, optimize_for_inference):
        assert operators[WINOGRAD]


@pytest.mark.parametrize("case", EVAL, ids=ids(EVAL))
def test_folded_without_winograd(case, run):
    for operators in run(case, lambda trunk: use_winograd(optimize_for_inference(trunk), False)):
        assert not operators[WINOGRAD]


@pytest.mark.parametrize("case", EVAL, ids=ids(EVAL))
def test_winograd_before_a_norm(case, run, wider_bar):
    for operators in run(case, use_winograd):
        assert operators[WINOGRAD]


@pytest.mark.parametrize("case", TRAIN, ids=ids(TRAIN))
def test_training_goes_by_winograd_where_maps_are_large(case, run):
    """Outputs, statistics and gradients, with the usual bar."""
    training, evaluation = run(case)
    assert bool(training[WINOGRAD]) == ("small" not in case.name)
    assert not evaluation[WINOGRAD]


@pytest.mark.parametrize("case", TRAIN, ids=ids(TRAIN))
def test_training_without_winograd(case, run):
    for operators in run(case, lambda trunk: use_winograd(trunk, False)):
        assert not operators[WINOGRAD]


@pytest.mark.parametrize("case", DEFORMING, ids=ids(DEFORMING))
def test_deformation_by_torchvision(case, run, monkeypatch):
    monkeypatch.setattr(deform_conv, "is_exporting", lambda: True)
    for operators in run(case):
        assert operators[TORCHVISION] and not operators[SAMPLING]


@pytest.mark.parametrize("case", DEFORMING, ids=ids(DEFORMING))
def test_levels_one_by_one(case, run, monkeypatch):
    kernels = sum("conv_offset.weight" in name for name, _ in case.spec["state_dict"])
    monkeypatch.setattr(deform_conv, "_SMALL", 0)
    for operators in run(case):
        assert operators[SAMPLING] > kernels, "levels went together"
        assert not operators[TORCHVISION]


@pytest.mark.parametrize("name", ["neck_sepc_eval_pad1", "neck_pconv_eval_pad1"])
def test_compiled(name, monkeypatch):
    (case,) = (c for c in CASES if c.name == name)
    torch._dynamo.reset()
    # torch 2.6 can't follow a context manager: there the graph breaks, and the result is the same
    is_whole = hasattr(torch.compiler, "is_exporting")
    backend, build = CompileCounterWithBackend("aot_eager"), neck.build_trunk
    monkeypatch.setattr(
        neck,
        "build_trunk",
        lambda case: torch.compile(build(case), fullgraph=is_whole, backend=backend),
    )
    neck.run_eval(case)
    assert backend.frame_count == 1 or not is_whole
