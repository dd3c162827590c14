"""The loaders of this project in the place of Detectron2's."""

from sepc.d2.engine import build_test_loader, build_train_loader


def use_own_loaders(dataloader):
    """Continue exactly where a training stopped, and name or skip images that can't be used.

    The training loader's own arguments stay Detectron2's, whose data benchmark has no others; the
    engine adds its own.
    """
    dataloader.skip_bad_images = False  # True goes on without them, and counts them
    dataloader.train._target_ = build_train_loader
    dataloader.test._target_ = build_test_loader
    dataloader.test.skip_bad_images = "${..skip_bad_images}"
