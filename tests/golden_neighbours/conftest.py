from pathlib import Path

import pytest

from .case import load_cases

DEFAULT_FOLDER = Path(__file__).parent / "data"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case of the manifest in ``--golden-dir``."""
    if "case" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--golden-dir") or DEFAULT_FOLDER
        cases = load_cases(Path(folder))
        metafunc.parametrize("case", cases, ids=[case.id for case in cases])
