"""Norms over several processes equal those over the whole batch in one: under torchrun."""

import sys

import pytest

from .sync_check import CASES, check_norm, check_trunk, run, sync_worker

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
NORMS = ["SyncBN", "torch_SyncBN"]


@pytest.fixture(scope="module", params=[2, 3], ids=["two", "three"])
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sync")
    command = [*TORCHRUN, str(request.param), sync_worker.__file__, str(folder), *NORMS]
    return run(command, folder, request.param)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("norm", NORMS)
def test_is_batch_norm_of_all_samples(results, norm, case, relu):
    check_norm(results, norm, case, relu=relu)


@pytest.mark.parametrize("case", ["uneven", "one_empty"])
def test_trunk_is_that_of_one_process(results, case):
    check_trunk(results, case)
