"""Each recipe of docs/recipes.md does what it says, by its own command."""

import re
import shlex
import shutil

import numpy as np
import pytest
import torch
from detectron2.config import instantiate
from detectron2.data import transforms as T
from detectron2.engine import default_argument_parser
from detectron2.layers import FrozenBatchNorm2d

from sepc.d2.engine import load_config
from sepc.d2.engine.setup import amp_dtype
from sepc.layers.pyramid_conv import upsample
from sepc.layers.pyramid_norm import PyramidNorm

from ..test_readme import blocks
from .helpers import CONFIGS, ROOT, config_of, image_input, loaded, tiny_config

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))


def arguments_of(recipe):
    (command,) = blocks(SECTIONS[recipe], "bash")
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:2] == ["python", "train_net.py"]
    return default_argument_parser().parse_args(words[2:])


def model_of(cfg):
    """The model without the memory for its weights."""
    with torch.device("meta"):
        return instantiate(cfg.model)


def learning(module):
    return [name for name, parameter in module.named_parameters() if parameter.requires_grad]


def sizes(augmentations, times=1):
    """Heights and widths that an image of 480 x 640 gets, without resizing it."""
    image = np.zeros((480, 640, 3), np.uint8)
    resize = [instantiate(augmentations[0]).get_transform(image) for _ in range(times)]
    return [(x.new_h, x.new_w) for x in resize]


def check_several_scales(cfg):
    heights = {height for height, _ in sizes(cfg.dataloader.train.mapper.augmentations, 100)}
    assert len(heights) > 20 and min(heights) >= 640 and max(heights) <= 800
    assert min(heights) < 680 and max(heights) > 760
    assert sizes(cfg.dataloader.test.mapper.augmentations) == [(800, 1067)]


def check_other_sizes(cfg):
    for mapper in (cfg.dataloader.train.mapper, cfg.dataloader.test.mapper):
        assert sizes(mapper.augmentations) == [(400, 533)]
        assert instantiate(mapper.augmentations[0]).max_size == 667
    cells = instantiate(cfg.model.anchor_generator).cell_anchors
    assert [(x[:, 2] - x[:, 0]).tolist() for x in cells] == [[32], [64], [128], [256], [512]]


def check_other_augmentations(cfg):
    augmentations = [instantiate(each) for each in cfg.dataloader.train.mapper.augmentations]
    kinds = [T.RandomCrop, T.ResizeShortestEdge, T.RandomBrightness, T.RandomFlip]
    assert [type(each) for each in augmentations] == kinds
    seen = T.AugInput(np.full((48, 64, 3), 100, np.uint8), boxes=np.array([[0.0, 0, 64, 48]]))
    T.AugmentationList(augmentations)(seen)
    assert min(seen.image.shape[:2]) == 800 and 79 <= seen.image.mean() <= 121


def check_frozen_backbone(cfg):
    model = model_of(cfg)
    assert learning(model.backbone.bottom_up) == []
    assert learning(model.backbone) and learning(model.head)


def check_frozen_norms(cfg):
    model = model_of(cfg)
    backbone = [type(m) for m in model.backbone.bottom_up.modules() if "Norm" in type(m).__name__]
    assert len(backbone) == 53 and set(backbone) == {FrozenBatchNorm2d}
    norms = [m for m in model.head.trunk.modules() if isinstance(m, PyramidNorm)]
    assert norms and all(learning(norm) == [] for norm in norms)
    assert learning(model.head.trunk)


def check_thinner_pyramid(cfg):
    model = model_of(cfg)
    assert {shape.channels for shape in model.backbone.output_shape().values()} == {128}
    assert model.head.bbox_pred.in_channels == 128


def check_another_depth(cfg):
    assert len(model_of(cfg).backbone.bottom_up.res4) == 23
    assert cfg.train.init_checkpoint == "R-101.pth"


def check_offsets_that_learn_slower(cfg):
    model = model_of(cfg)
    cfg.optimizer.params.model = model
    groups = instantiate(cfg.optimizer).param_groups
    rates = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    of_offsets = {name: rates.pop(x) for name, x in model.named_parameters() if ".offset." in name}
    assert len(of_offsets) == 2 * (4 * 3 + 2)  # three kernels a stage, one in each branch
    assert [*of_offsets.values()] == pytest.approx([cfg.optimizer.lr / 10] * len(of_offsets))
    assert set(rates.values()) == {cfg.optimizer.lr}


def check_mixed_precision(cfg):
    assert amp_dtype(cfg) == amp_dtype(cfg, evaluation=True) == torch.bfloat16
    cfg.train.amp.evaluate = False
    assert amp_dtype(cfg, evaluation=True) is None


def check_several_gpus(cfg):
    assert arguments_of("Several GPUs").num_gpus == 8
    assert cfg.dataloader.train.total_batch_size == 16
    kinds = {type(m).__name__ for m in model_of(cfg).head.trunk.modules()}
    assert any("SyncBatchNorm" in kind for kind in kinds), kinds


def check_batches_in_evaluation(cfg):
    assert cfg.dataloader.test.batch_size == 16
    heights = {height for height, _ in sizes(cfg.dataloader.test.mapper.augmentations, 50)}
    assert len(heights) > 10 and heights <= set(range(96, 161))


CHECKS = {
    "Several scales": check_several_scales,
    "Other sizes": check_other_sizes,
    "Other augmentations": check_other_augmentations,
    "Frozen backbone": check_frozen_backbone,
    "Frozen norms": check_frozen_norms,
    "Thinner pyramid": check_thinner_pyramid,
    "Another depth": check_another_depth,
    "Offsets that learn slower": check_offsets_that_learn_slower,
    "Mixed precision": check_mixed_precision,
    "Several GPUs": check_several_gpus,
    "Batches in evaluation": check_batches_in_evaluation,
}


def test_every_recipe_is_checked():
    assert list(SECTIONS) == list(CHECKS)


@pytest.mark.parametrize("recipe", CHECKS)
def test_recipe_does_what_it_says(recipe):
    args = arguments_of(recipe)
    with pytest.raises(AssertionError):  # it is the recipe that does it
        CHECKS[recipe](config_of(ROOT / args.config_file))
    CHECKS[recipe](config_of(ROOT / args.config_file, args.opts))


def test_config_of_a_smaller_backbone(tmp_path):
    (source,) = blocks(SECTIONS["Another depth"], "python")
    shutil.copytree(CONFIGS, tmp_path / "configs")
    path = tmp_path / "my_configs" / "retinanet_R_18.py"
    path.parent.mkdir()
    path.write_text(source, encoding="utf-8")
    backbone = model_of(load_config(str(path))).backbone
    assert [len(stage) for stage in backbone.bottom_up.stages] == [2, 2, 2, 2]
    assert backbone.top_block.p6.in_channels == backbone.bottom_up.output_shape()["res5"].channels


def test_quick_start_evaluates_one_image_at_a_time():
    assert loaded(CONFIGS / "quickstart" / "atss_sepc.py").dataloader.test.batch_size == 1


def logits_of_first(model, *images):
    """Logits of the finest level on what the first image itself covers, from a batch."""
    maps = []
    hook = model.head.register_forward_hook(lambda module, args, output: maps.append(output[0][0]))
    with torch.no_grad():
        model(images)
    hook.remove()
    height, width = (side // 4 for side in images[0]["image"].shape[-2:])
    return maps[0][0, :, :height, :width]


def test_only_images_of_other_sizes_change_what_is_found_in_one(tmp_path):
    torch.manual_seed(0)
    model = instantiate(tiny_config(tmp_path).model).eval()
    image, equal, larger = image_input(64, 96), image_input(64, 96), image_input(96, 128)
    alone = logits_of_first(model, image)
    torch.testing.assert_close(logits_of_first(model, image, equal), alone)
    changed = (logits_of_first(model, image, larger) - alone).abs().amax(dim=0)
    assert changed[-1].max() > 1e-3 * alone.std()  # at the border to the padding
    assert changed[-1].mean() > 2 * changed[0].mean()


def test_padding_moves_what_a_coarser_level_adds():
    ramp = torch.arange(5.0).expand(1, 1, 1, 5)
    alone = upsample(ramp[..., :4], (1, 8)).flatten()
    padded = upsample(ramp, (1, 10)).flatten()[:8]
    torch.testing.assert_close(alone, torch.arange(8) * 3 / 7)
    torch.testing.assert_close(padded, torch.arange(8) * 4 / 9)
