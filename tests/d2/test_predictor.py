"""Trained detectors on pictures: loading, resizing, class names; and the tools on top of them."""

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import LazyConfig, get_cfg, instantiate
from detectron2.modeling import build_model
from detectron2.structures import Instances

from sepc.d2.cfgnode import add_sepc_config
from sepc.d2.demo import Detectron2Detector
from sepc.d2.predictor import Predictor, is_cfgnode
from sepc.demo import Detections
from sepc.jobs.visualize_pyramid import objects_apart
from sepc.visualize.drawing import bgr, class_color

from ..demo.files import frames_of, write_image, write_video
from ..tools import load_tool
from .helpers import CONFIGS, tiny_config

SMALL = ["model.backbone.out_channels=8", "model.head.trunk.num_stages=1"]
RETINANET = str(CONFIGS / "quickstart" / "retinanet_sepc.py")
YAML = str(CONFIGS / "yaml" / "retinanet_R_50_FPN_sepc_1x.yaml")


def small_overrides():
    return [SMALL[0], "+" + SMALL[1]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a small RetinaNet whose random scores pass the threshold here and there."""
    torch.manual_seed(0)
    cfg = LazyConfig.load(RETINANET)
    model = instantiate(LazyConfig.apply_overrides(cfg, small_overrides()).model)
    torch.nn.init.constant_(model.head.cls_score.bias, -2.0)
    torch.nn.init.normal_(model.head.cls_score.weight, std=1.0)
    path = tmp_path_factory.mktemp("weights") / "model.pth"
    torch.save({"model": model.state_dict()}, path)
    return str(path)


@pytest.fixture(scope="module")
def predictor(weights):
    return Predictor.from_config(
        RETINANET, weights=weights, overrides=small_overrides(), device="cpu"
    )


def noise(height=64, width=96):
    return np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)


def test_prediction_is_that_of_the_model(predictor):
    image = noise()
    found, again = predictor([image, image])
    assert len(found) > 0
    rgb = torch.from_numpy(image[:, :, ::-1].transpose(2, 0, 1).copy())
    with torch.no_grad():
        expected = predictor.model([{"image": rgb, "height": 64, "width": 96}])[0]["instances"]
    torch.testing.assert_close(found.pred_boxes.tensor, expected.pred_boxes.tensor)
    torch.testing.assert_close(again.scores, expected.scores, atol=1e-5, rtol=0)


def test_names_of_generated_data(predictor):
    assert predictor.class_names[:2] == ["dotted circle", "ringed circle"]


def test_names_of_data_that_was_not_loaded(weights, tiny_data):
    overrides = [*small_overrides(), "dataloader.test.dataset.names=tiny_val"]
    other = Predictor.from_config(RETINANET, weights=weights, overrides=overrides)
    assert other.class_names[:2] == ["dotted circle", "ringed circle"]
    assert other.category_ids == list(range(1, 13))


def test_threshold_is_lowered_only(predictor):
    own = predictor.model.test_score_thresh
    predictor.lower_score_threshold(0.9)
    assert predictor.model.test_score_thresh == own
    predictor.lower_score_threshold(0.01)
    assert predictor.model.test_score_thresh == 0.01
    predictor.model.test_score_thresh = own


def test_shown_to_model_covers_the_padding(predictor):
    image = noise(50, 70)
    shown = predictor.shown_to_model(image)
    assert shown.shape == (64, 96, 3)
    np.testing.assert_array_equal(shown[:50, :70], image[:, :, ::-1])


def test_saved_config_of_a_training(weights, tmp_path):
    cfg = tiny_config(tmp_path, variant="sepc", **{"+model.head.trunk.num_stages": 1})
    LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
    assert not is_cfgnode(str(tmp_path / "config.yaml"))
    other = Predictor.from_config(str(tmp_path / "config.yaml"), weights=weights, device="cpu")
    assert len(other([noise()])[0]) > 0


def test_yaml_of_the_older_kind(tmp_path):
    assert is_cfgnode(YAML)
    small = ["MODEL.FPN.OUT_CHANNELS", "16", "MODEL.SEPC.NUM_STAGES", "1"]
    small += ["MODEL.RESNETS.DEPTH", "18", "MODEL.RESNETS.RES2_OUT_CHANNELS", "64"]
    cfg = get_cfg()
    add_sepc_config(cfg)
    cfg.merge_from_file(YAML)
    cfg.merge_from_list([*small, "MODEL.DEVICE", "cpu"])
    torch.save({"model": build_model(cfg).state_dict()}, tmp_path / "m.pth")
    small += ["INPUT.MIN_SIZE_TEST", "64"]
    other = Predictor.from_config(
        YAML, weights=str(tmp_path / "m.pth"), overrides=small, device="cpu"
    )
    assert other.class_names[0] == "person" and other.category_ids[-1] == 90
    assert other.prepare(noise(32, 48))["image"].shape == (3, 64, 96)
    other([noise(32, 48)])
    with pytest.raises(ValueError, match=r"Non-existent key: MODEL\.NO"):
        Predictor.from_config(YAML, overrides=["MODEL.NO", "1"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(config_file="absent.py"), FileNotFoundError, "config file not found"),
        (dict(config_file=RETINANET), ValueError, "names no weights: expected --weights FILE"),
        (dict(config_file=RETINANET, weights="no.pth"), FileNotFoundError, "no.pth"),
        (dict(config_file=RETINANET, overrides=["model.x=1"]), ValueError, "no key 'model.x'"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        Predictor.from_config(**arguments)


def test_drawing(predictor):
    detector = Detectron2Detector(predictor)
    image = noise()
    (found,) = detector([image])
    assert len(found) == len(found.native) > 0
    best = found.above(float(found.scores.max()))
    assert len(best.native) == 1
    picture = detector.draw(image, best)
    assert picture.shape[1] >= 500 and picture.dtype == np.uint8
    assert detector.draw_frame(image, best).shape == image.shape
    color = bgr(class_color(int(best.classes[0])))
    assert (picture == color).all(axis=2).sum() > 50


def test_masks_are_drawn_in_the_colors_of_their_classes(predictor):
    image = np.zeros((64, 64, 3), np.uint8)
    native = Instances((64, 64), pred_masks=torch.zeros(2, 64, 64, dtype=torch.bool))
    native.pred_masks[1, 40:50, 30:60] = True
    boxes, scores, classes = np.zeros((2, 4)), np.array([0.9, 0.8]), np.array([0, 2])
    found = Detections(boxes, scores, classes, native)
    frame = Detectron2Detector(predictor).draw_frame(image, found)
    half = np.array(bgr(class_color(2))) // 2
    assert (frame == half).all(axis=2)[40:50, 30:60].all()
    assert not image.any()


def command(weights, *others):
    arguments = ["--config-file", RETINANET, "--weights", weights, *map(str, others)]
    return [*arguments, "--opts", *small_overrides()]


def test_demo(weights, tmp_path, capsys):
    demo = load_tool("demo")
    images = [write_image(tmp_path / "in" / f"{i}.png", (64, 64)) for i in range(2)]
    threshold = ("--confidence-threshold", 0.01)
    output = tmp_path / "out"
    assert demo.main(command(weights, "--input", images[0].parent, "--output", output)) == 0
    assert sorted(path.name for path in output.iterdir()) == ["0.png", "1.png"]
    results = tmp_path / "r.json"
    arguments = command(weights, "--input", *images, "--output", results, *threshold)
    assert demo.main(arguments) == 0 and results.stat().st_size > 100
    film = write_video(tmp_path / "film.avi", frames=2, size=(64, 64))
    assert demo.main(command(weights, "--video-input", film, "--output", tmp_path / "f.mp4")) == 0
    assert len(frames_of(tmp_path / "f.mp4")) == 2
    capsys.readouterr()
    assert demo.main(["--config-file", RETINANET, "--input", "a", "--output", "b"]) == 2
    assert "names no weights" in capsys.readouterr().err


def test_visualize_pyramid(weights, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    tool = load_tool("visualize_pyramid")
    image = write_image(tmp_path / "a.png", (50, 70))
    output = tmp_path / "pyramid.png"
    arguments = ("--image", image, "--dpi", 40, "--layer", "stage 1, finer", output)
    assert tool.main(command(weights, *arguments)) == 0
    assert cv2.imread(str(output)).shape[0] > 300
    capsys.readouterr()
    for wrong, message in (
        (("--image", tmp_path / "no.png", output), "no.png does not exist"),
        (("--image", image, "--layer", "stage 9", output), "unknown layer ['stage 9']"),
    ):
        output.unlink(missing_ok=True)
        assert tool.main(command(weights, *wrong)) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error
        assert not output.exists()


def test_centers_of_objects_apart():
    boxes = [[0, 0, 10, 10], [5, 5, 15, 15], [20, 0, 30, 10], [20, 20, 30, 30], [40, 40, 50, 50]]
    assert objects_apart(boxes) == [(5, 5), (25, 5), (25, 25)]
    assert objects_apart([]) == []
