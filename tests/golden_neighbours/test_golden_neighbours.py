"""Every case of the neighbours' manifest: ``pytest tests/golden_neighbours --golden-dir DIR``."""

import pytest

from .case import Case
from .runners import RUNNERS


def test_golden_neighbours(case: Case) -> None:
    if case.kind not in RUNNERS:
        pytest.skip(f"nothing here computes cases of kind {case.kind!r} yet: {case.id}")
    RUNNERS[case.kind](case)
