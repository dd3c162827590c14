"""Checkpoint files, written whole and with a digest."""

import os
from typing import Any

import torch

from ..files import atomic_write
from .digest import add_digest


def write_data(content: Any, path: str | os.PathLike[str]) -> None:
    """Write a file with ``torch.save``, whole or not at all, for :func:`.reading.read_data`.

    Raises:
        OSError: names the file; one that was there before stays.
    """
    with atomic_write(path) as partial:
        with partial.open("wb") as file:
            try:
                torch.save(content, file)
            except RuntimeError as error:  # torch's writer has met an error of the file
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise
        add_digest(partial)
