"""The count of faults itself."""

import json

import pytest

from .outcome import check


def test_other_errors_than_those_told_in_one_line_are_faults():
    check(json.loads, lambda rng: rng.choice(["{", "1"]), tries=9)
    with pytest.raises(AssertionError, match=r"^9 of 9:\nnumber 0, 'x': KeyError"):
        check({}.__getitem__, lambda rng: "x", tries=9)
    with pytest.raises(AssertionError, match="none of 9 inputs was refused"):
        check(json.loads, lambda rng: "1", tries=9)
