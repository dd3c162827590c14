"""Image files that can't be used: named in one line, or skipped and counted."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from detectron2.data.detection_utils import check_image_size, read_image
from detectron2.utils import comm
from PIL import UnidentifiedImageError

from ...program import one_line
from .agreement import highest

logger = logging.getLogger(__name__)


class BadImageError(ValueError):
    """An image file can't be used; raised in all processes together, with the same text."""


class BadImage(NamedTuple):
    """What a loader hands on in the place of an image that can't be used.

    An exception would have to cross from a loader process, which adds its traceback, and would be
    seen by one training process alone.
    """

    text: str
    skip: bool
    substitute: Any = None


class CheckedMapper:
    """A mapper that returns a :class:`BadImage` where the file of an image is at fault."""

    def __init__(self, mapper: Callable[[dict[str, Any]], Any], *, skip: bool) -> None:
        """
        Args:
            mapper: makes the model's input from a dict with ``file_name``.
            skip: whether to go on without such images.
        """
        self.mapper = mapper
        self.skip = skip

    def __call__(self, item: dict[str, Any]) -> Any:
        try:
            return self.mapper(item)
        except Exception as error:  # Pillow's plugins raise whatever their parsers run into
            fault = _fault(item, error)
            if fault is None:
                raise
            file = str(item["file_name"])
            return BadImage(f"{file}: {fault.removeprefix(f'{file}: ')}", self.skip)


def _fault(item: dict[str, Any], error: Exception) -> str | None:
    """What is wrong with the file of an image, None where it is the mapper that fails."""
    if "file_name" not in item:
        return None
    try:
        check_image_size(dict(item), read_image(item["file_name"]))
    except UnidentifiedImageError:
        return "cannot be identified as an image"
    except Exception as own:
        error = own
    else:
        if not isinstance(error, (OSError, ValueError)):
            return None
    return one_line(error)


def usable(batch: Any) -> tuple[Any, list[BadImage]]:
    """Split what a loader hands on: the images that can be used, and those that can't.

    Args:
        batch: a list of the mapper's results; anything else is taken as it is.
    """
    if not isinstance(batch, list):
        return batch, []
    items, bad = [], []
    for item in batch:
        while isinstance(item, BadImage):
            bad.append(item)
            item = item.substitute
        if item is not None:
            items.append(item)
    return items, bad


class BadImages:
    """Count of the images that were skipped, the same in all processes.

    Attributes:
        counts: times by text, which names the file.
    """

    def __init__(self, device: torch.device) -> None:
        """
        Args:
            device: on which the processes exchange tensors.
        """
        self.counts: dict[str, int] = {}
        self._device = device

    def add(self, bad: Sequence[BadImage]) -> None:
        """Add what was found in this process; call it in all processes.

        Raises:
            BadImageError: if one of them, in any process, is not to be skipped.
        """
        if not highest(len(bad), self._device):
            return
        everywhere = [x for found in comm.all_gather(list(bad)) for x in found]
        if fatal := dict.fromkeys(x.text for x in everywhere if not x.skip):
            raise BadImageError(
                f"can't use {'; '.join(fatal)} (dataloader.skip_bad_images=True goes on without "
                "such images)"
            )
        for x in everywhere:
            if x.text not in self.counts:
                logger.warning(f"Skipped an image: {x.text}")
            self.counts[x.text] = self.counts.get(x.text, 0) + 1

    def report(self, note: str) -> None:
        """Log the total, if there is any, with a note on what it means."""
        if self.counts:
            logger.warning(
                f"Skipped {len(self.counts)} image(s), {sum(self.counts.values())} time(s) in "
                f"all, {note}: {'; '.join(self.counts)}"
            )
