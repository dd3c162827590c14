"""The reference's numbers on every path that the trunk can take, not only on its own."""

import pytest
import torch

from sepc import optimize_for_inference
from sepc.layers import deform_conv
from sepc.layers.fast.winograd import use_winograd

from .golden import case as golden
from .golden.conftest import DEFAULT_FOLDER
from .golden.runners import neck

CASES = [c for c in golden.load_cases(DEFAULT_FOLDER) if c.kind in neck.RUNNERS]
EVAL = [c for c in CASES if c.kind == "neck_eval"]


@pytest.fixture
def run(monkeypatch):
    """Run a case with its trunk in another form."""

    def call(case, form):
        build = neck.build_trunk
        # Winograd's filtering rounds otherwise than the reference: three times the usual bar
        monkeypatch.setattr(golden, "BAR", 3 * golden.BAR)
        monkeypatch.setattr(neck, "build_trunk", lambda case: form(build(case)))
        # drawn anew: gradients stay at the inputs of a case
        neck.RUNNERS[case.kind](golden.Case(case.spec, case.folder))

    return call


def ids(cases):
    return [case.name for case in cases]


@pytest.mark.parametrize("case", EVAL, ids=ids(EVAL))
def test_folded_with_winograd(case, run):
    run(case, optimize_for_inference)


@pytest.mark.parametrize("case", EVAL, ids=ids(EVAL))
def test_folded_without_winograd(case, run):
    run(case, lambda trunk: use_winograd(optimize_for_inference(trunk), False))


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_winograd_in_training_too(case, run):
    run(case, use_winograd)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_deformation_by_torchvision(case, run, monkeypatch):
    monkeypatch.setattr(deform_conv, "is_exporting", lambda: True)
    run(case, lambda trunk: trunk)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_levels_one_by_one(case, run, monkeypatch):
    monkeypatch.setattr(deform_conv, "_SMALL", 0)
    run(case, lambda trunk: trunk)


@pytest.mark.parametrize("name", ["neck_sepc_eval_pad1", "neck_pconv_eval_pad1"])
def test_compiled(name, run):
    (case,) = (c for c in CASES if c.name == name)
    torch._dynamo.reset()
    # torch 2.6 can't follow a context manager: there the graph breaks, and the result is the same
    is_whole = hasattr(torch.compiler, "is_exporting")
    run(case, lambda trunk: torch.compile(trunk, fullgraph=is_whole, backend="aot_eager"))
