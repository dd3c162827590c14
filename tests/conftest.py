import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-dir",
        default=None,
        help="folder with a manifest.json of golden cases; default: tests/golden/data",
    )
