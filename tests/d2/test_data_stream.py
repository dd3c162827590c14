from itertools import islice

import numpy as np
import pytest
import torch

from sepc.d2.engine import TrainingStream, build_train_loader

IMAGES = [{"id": i, "width": 4 if i % 3 else 2, "height": 3} for i in range(10)]


def mapper(item):
    return {"id": item["id"], "noise": (np.random.rand(), torch.rand(()).item())}


def batches(count, *, start=0, **others):
    arguments = dict(dataset=IMAGES, mapper=mapper, total_batch_size=2, seed=5) | others
    loader = build_train_loader(**arguments)
    loader.stream.seek(seed=loader.stream.seed, batch=start)
    return list(islice(loader, count))


@pytest.mark.parametrize("grouping", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_continues_where_it_stopped(grouping, workers):
    others = dict(aspect_ratio_grouping=grouping)
    whole = batches(12, **others)
    assert batches(7, start=5, num_workers=workers, **others) == whole[5:]


def test_epochs_are_shuffled_and_complete():
    ids = [item["id"] for batch in batches(10, aspect_ratio_grouping=False) for item in batch]
    assert sorted(ids[:10]) == sorted(ids[10:]) == list(range(10))
    assert ids[:10] != ids[10:]


def test_batches_have_one_orientation():
    orientations = [{bool(item["id"] % 3) for item in batch} for batch in batches(20)]
    assert all(len(x) == 1 for x in orientations)
    assert {True} in orientations
    assert {False} in orientations


def test_augmentation_differs_between_epochs_and_seeds():
    noise = [item["noise"] for batch in batches(10) for item in batch]
    assert len(set(noise)) == len(noise)
    assert batches(1) != batches(1, seed=6)


def test_leaves_the_random_states_alone():
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    batches(2)
    assert (torch.rand(1), np.random.rand()) == expected


def test_without_a_seed_streams_differ_and_can_be_told_theirs():
    first, second = (TrainingStream(50, batch_size=2, seed=None) for _ in range(2))
    assert list(islice(first, 20)) != list(islice(second, 20))
    second.seek(seed=first.seed, batch=0)
    assert list(islice(first, 20)) == list(islice(second, 20))


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"total_batch_size": 0}, r"positive multiple of the number of processes \(1\), got 0"),
        ({"dataset": []}, "holds no image"),
    ],
)
def test_bad_arguments(others, message):
    with pytest.raises(ValueError, match=message):
        batches(1, **others)
