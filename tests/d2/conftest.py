import pytest

pytest.importorskip("detectron2")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """Registers ``tiny_train`` (6 images of 64 pixels) and ``tiny_val`` (3)."""
    from quickstart.data.coco_folder import write_dataset
    from sepc.d2.datasets import register_coco_folder

    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_dataset(folder, train_images=6, val_images=3, image_size=64, seed=3, progress=False)
    register_coco_folder("tiny", folder)
    return folder
