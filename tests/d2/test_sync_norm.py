"""As ``tests/layers/test_sync_norm.py``, in processes that Detectron2 starts."""

import sys

import pytest

import sepc.d2  # noqa: F401  # Detectron2's norms by name

from ..layers.sync_check import CASES, check_norm, check_trunk, run

NAIVE_CASES = [name for name in CASES if name != "other_sizes"]  # it weighs by images alone


@pytest.fixture(
    scope="module",
    params=[pytest.param(2, marks=pytest.mark.slow), 3],  # three are uneven in more ways
    ids=["two", "three"],
)
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sync")
    command = [sys.executable, "-m", "tests.d2.sync_launch", str(request.param), str(folder)]
    return run([*command, "SyncBN", "naiveSyncBN_N"], folder, request.param)


@pytest.mark.parametrize("case", CASES)
def test_is_batch_norm_of_all_samples(results, case):
    check_norm(results, "SyncBN", case, relu=True)


@pytest.mark.parametrize("case", NAIVE_CASES)
def test_detectron2s_own_counts_images(results, case):
    check_norm(results, "naiveSyncBN_N", case, relu=True)


@pytest.mark.parametrize("case", ["uneven", "one_empty"])
def test_trunk_is_that_of_one_process(results, case):
    check_trunk(results, case)
