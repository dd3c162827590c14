"""Small detectors that have learned four generated images: they find what is clearly there."""

import logging

import pytest
import torch

from .helpers import cuts

ITERATIONS = 40


@pytest.fixture(autouse=True, scope="session")
def no_traces_of_the_exporter():
    """pytest listens to all levels of all loggers: torch would describe each step it takes."""
    loggers = [logging.getLogger(name) for name in ("torch.__trace", "torch", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session")
def four_images(tmp_path_factory):
    """Registers ``exported_train``."""
    from ..d2.four_images import register_four_images

    folder = tmp_path_factory.mktemp("data") / "exported"
    register_four_images("exported", folder)
    return folder


@pytest.fixture(scope="session")
def config_of(four_images, tmp_path_factory):
    """Config of a small detector with deformable kernels, by the name of the detector."""
    from ..d2.helpers import tiny_config

    def make(detector):
        return tiny_config(
            tmp_path_factory.mktemp(detector),
            "sepc",
            detector,
            **{
                "dataloader.train.dataset.names": "exported_train",
                "dataloader.test.dataset.names": "exported_train",
                "dataloader.train.total_batch_size": 4,
                "dataloader.train.mapper.augmentations": "[]",
                "+dataloader.evaluator.output_dir": str(tmp_path_factory.mktemp("results")),
                "model.backbone.out_channels": 32,
                "+model.head.trunk.num_stages": 1,
            },
        )

    return make


@pytest.fixture(scope="session")
def trained(config_of):
    """A trained detector by its name; each is trained once."""
    from ..d2.four_images import learn_by_heart

    models = {}

    def train(detector):
        if detector not in models:
            models[detector] = learn_by_heart(config_of(detector), ITERATIONS).eval()
        return models[detector]

    return train


@pytest.fixture(scope="session")
def mosaic(four_images):
    """The images side by side, (3, 192, 192): to cut others out of."""
    import cv2

    files = sorted((four_images / "train2017").iterdir())
    a, b, c, d = (
        torch.from_numpy(cv2.imread(str(file))[..., ::-1].transpose(2, 0, 1).copy())
        for file in files
    )
    rows = [torch.cat(row, dim=2) for row in ((a, b, c), (d, a, b), (c, d, a))]
    return torch.cat(rows, dim=1)


@pytest.fixture(scope="session")
def onnx_file(trained, mosaic, tmp_path_factory):
    """An ONNX file for images of any size, by the name of the detector; and how well it agrees."""
    from sepc.d2.export import export_model

    files = {}

    def export(detector):
        if detector not in files:
            path = tmp_path_factory.mktemp("onnx") / "detector.onnx"
            metadata = {"class_names": "a,b,c,d,e,f,g,h,i,j,k,l"}
            agreement = export_model(
                trained(detector), path, format="onnx", images=cuts(mosaic), metadata=metadata
            )
            files[detector] = path, agreement
        return files[detector]

    return export
