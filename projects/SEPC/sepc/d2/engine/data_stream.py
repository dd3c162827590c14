"""Loaders, and a training data stream that continues where an interrupted training left it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from detectron2.data import (
    DatasetFromList,
    MapDataset,
    build_detection_test_loader,
    build_detection_train_loader,
)
from detectron2.data.samplers import TrainingSampler
from detectron2.utils import comm
from omegaconf import DictConfig
from torch.utils.data import DataLoader, Dataset

from ...signals import leave_stops_to_parent
from .bad_images import BadImage, CheckedMapper
from .rng import preserved_rng, seed_cpu

MOST_BAD_IMAGES_IN_A_ROW = 100


class TrainingStream(TrainingSampler):
    """Detectron2's infinite shuffled stream of indices, with a position to start from.

    It yields pairs (position in the stream over all processes, index into the data set). Unlike
    Detectron2, which groups images by orientation behind the loader and so loses the images
    waiting in its two buckets when training stops, the grouping is done here, on indices: which
    images form batch number i is a function of the seed alone.
    """

    def __init__(
        self,
        size: int,
        *,
        batch_size: int,
        seed: int | None = None,
        groups: Sequence[int] | None = None,
    ) -> None:
        """
        Args:
            size: number of images in the data set, at least 1.
            batch_size: images per batch of this process.
            seed: of the shuffle, >= 0; the same in all processes. None: a random one they share.
            groups: group of every image; a batch holds images of one group. None: no grouping.
        """
        super().__init__(size, shuffle=True, seed=seed)
        self.batch_size = batch_size
        self.groups = groups
        self.start_batch = 0

    @property
    def seed(self) -> int:
        return self._seed

    def seek(self, *, seed: int, batch: int) -> None:
        """Let the next iteration start at batch number ``batch`` of the stream of ``seed``."""
        self._seed = seed
        self.start_batch = batch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        stream = enumerate(self._infinite_indices())
        own = islice(stream, self._rank, None, self._world_size)
        return islice(self._grouped(own), self.start_batch * self.batch_size, None)

    def _grouped(self, stream: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        if self.groups is None:
            yield from stream
            return
        buckets: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for position, index in stream:
            bucket = buckets[self.groups[index]]
            bucket.append((position, index))
            if len(bucket) == self.batch_size:
                yield from bucket
                bucket.clear()


class SeededDataset(Dataset):
    """Data set whose augmentations depend on the seed and the position in the stream alone.

    Augmentations then do not depend on the number of loader processes, nor on what was drawn
    before, and a resumed training sees the images an uninterrupted one would have seen. In the
    place of an image that is to be skipped stands the next one of the data set that can be used.
    """

    def __init__(self, dataset: Any, mapper: Callable, stream: TrainingStream) -> None:
        self._mapped = MapDataset(dataset, mapper)
        self._stream = stream

    def __len__(self) -> int:
        return len(self._mapped)

    def __getitem__(self, item: tuple[int, int]) -> Any:
        position, index = item
        skipped: list[BadImage] = []
        while len(skipped) < MOST_BAD_IMAGES_IN_A_ROW:
            with preserved_rng():
                seed_cpu(self._stream.seed, position)
                found = self._mapped[(index + len(skipped)) % len(self)]
            if not (isinstance(found, BadImage) and found.skip):
                break
            skipped.append(found)
        else:
            found = BadImage(f"{len(skipped)} images in a row, first {skipped[0].text}", skip=False)
        for bad in reversed(skipped):
            found = bad._replace(substitute=found)
        return found


def build_train_loader(
    *,
    dataset: list[dict],
    mapper: Callable,
    total_batch_size: int,
    aspect_ratio_grouping: bool = True,
    num_workers: int = 0,
    seed: int | None = None,
    skip_bad_images: bool = False,
    **kwargs: Any,
) -> DataLoader:
    """Build Detectron2's training loader over a :class:`TrainingStream`.

    Args:
        dataset: dicts in Detectron2's format; ``aspect_ratio_grouping`` reads width and height.
        mapper: makes the model's input from such a dict, e.g. Detectron2's ``DatasetMapper``.
        total_batch_size: images per iteration over all processes.
        aspect_ratio_grouping: whether a batch is either all landscape or all portrait.
        num_workers: loader processes per training process.
        seed: of shuffle and augmentation; None or negative: a random one.
        skip_bad_images: whether another image takes the place of one whose file can't be used.
        kwargs: for Detectron2's function.

    Returns:
        a loader of endless batches, each a list of dicts, and of a
        :class:`~.bad_images.BadImage` where a file can't be used; its attribute ``stream`` can be
        sought.

    Raises:
        ValueError: for an empty data set, or a batch that the processes cannot share evenly.
    """
    world_size = comm.get_world_size()
    if total_batch_size < 1 or total_batch_size % world_size:
        raise ValueError(
            f"total_batch_size must be a positive multiple of the number of processes "
            f"({world_size}), got {total_batch_size}"
        )
    if not dataset:
        raise ValueError("the training data set holds no image")
    stream = TrainingStream(
        len(dataset),
        batch_size=total_batch_size // world_size,
        seed=None if seed is None or seed < 0 else seed,
        groups=[d["width"] > d["height"] for d in dataset] if aspect_ratio_grouping else None,
    )
    loader = build_detection_train_loader(
        SeededDataset(
            DatasetFromList(dataset, copy=False),
            CheckedMapper(mapper, skip=skip_bad_images),
            stream,
        ),
        mapper=None,
        sampler=stream,
        total_batch_size=total_batch_size,
        aspect_ratio_grouping=False,  # the stream has done it
        num_workers=num_workers,
        seed=0,  # a generator of its own: making the iterator leaves torch's generator alone
        **kwargs,
    )
    loader.stream = stream
    loader.worker_init_fn = leave_stops_to_parent  # Detectron2's seeds, which the stream does
    return loader


def build_test_loader(
    *, mapper: Callable, skip_bad_images: bool = False, **kwargs: Any
) -> DataLoader:
    """Build Detectron2's test loader, with bad images as :func:`build_train_loader` has them.

    Args:
        mapper: see :func:`build_train_loader`.
        skip_bad_images: whether to go on without images whose file can't be used.
        kwargs: for Detectron2's function.
    """
    loader = build_detection_test_loader(
        mapper=CheckedMapper(mapper, skip=skip_bad_images), **kwargs
    )
    loader.worker_init_fn = leave_stops_to_parent
    return loader


def use_own_loaders(dataloader: DictConfig) -> None:
    """Continue exactly where a training stopped, and name or skip images that can't be used.

    The training loader's own arguments stay Detectron2's, whose data benchmark has no others; the
    engine adds its own.
    """
    dataloader.skip_bad_images = False  # True goes on without them, and counts them
    dataloader.train._target_ = build_train_loader
    dataloader.test._target_ = build_test_loader
    dataloader.test.skip_bad_images = "${..skip_bad_images}"
