"""Every case of a golden manifest: ``pytest tests/golden --golden-dir DIR``."""

import pytest

from .case import Case
from .runners import find_runner


def test_golden(case: Case) -> None:
    runner = find_runner(case)
    if runner is None:
        pytest.skip(f"nothing here computes cases of kind {case.kind!r} yet: {case.name}")
    runner(case)
