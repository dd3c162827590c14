"""Write the files that a training leaves behind, for later versions to load; see README.md.

    python make.py FOLDER

Run it from the root of a checkout of the version whose files are to be kept.
"""

import json
import sys
from pathlib import Path

import torch
from detectron2.config import LazyConfig, instantiate

from sepc.d2.engine import Checkpointer, load_config

LEAVES = [
    "quickstart/retinanet_sepc",
    "quickstart/fsaf_plain",
    "COCO-Detection/retinanet_R_50_FPN_sepc_lite_1x",
    "COCO-Detection/free_anchor_R_50_FPN_sepc_1x",
    "COCO-Detection/fcos_R_50_FPN_pconv_ibn_1x",
    "COCO-Detection/atss_R_50_FPN_pconv_1x",
    "COCO-Detection/gfl_R_50_FPN_dconv_c5_sepc_lite_1x",
    "COCO-Detection/fsaf_R_50_FPN_sepc_1x",
    "COCO-Detection/fsaf_retinanet_R_50_FPN_sepc_1x",
    "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_pconv_ibn_1x",
    "released/retinanet_R_50_FPN_sepc_1x",
    "released/fsaf_R_50_FPN_pconv_1x",
    "released/universenet50_2008d_1x",
]
WIDTHS = [4, 8, 12, 16]
CUTOFF = 0.702  # of the scores that are kept: none lies close to it


def narrow(cfg):
    """Config of the quick start's detector with few channels: its checkpoint is kept here."""
    cfg.model.backbone.out_channels = 8
    cfg.model.head.trunk.num_stages = 1
    cfg.model.backbone.bottom_up.stem.out_channels = before = WIDTHS[0]
    for stage, width in zip(cfg.model.backbone.bottom_up.stages, WIDTHS, strict=True):
        stage.in_channels, stage.out_channels = before, width
        before = width
    cfg.model.backbone.top_block.in_channels = before
    return cfg


def predicting(cfg):
    """Untrained model of a config, with predictors that tell positions and classes apart."""
    torch.manual_seed(0)
    model = instantiate(cfg.model).eval()
    for name, parameter in model.head.trunk.named_parameters():
        if "offset" in name:
            torch.nn.init.normal_(parameter, std=0.05)
        elif name.endswith("weight") and parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter)
    torch.nn.init.normal_(model.head.cls_score.weight, std=0.12)
    torch.nn.init.normal_(model.head.bbox_pred.weight, std=0.02)
    return model


def image():
    """Smooth pattern (3, 96, 128), values from 0 to 255: needs no file and no random numbers."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    waves = [(x / (7 + c)).sin() * (y / (11 - c)).cos() for c in range(3)]
    return ((torch.stack(waves) + 1) * 127.5).round()


def main(folder):
    for leaf in LEAVES:
        LazyConfig.save(load_config(f"configs/{leaf}.py"), str(folder / f"{Path(leaf).name}.yaml"))
    cfg = narrow(load_config(f"configs/{LEAVES[0]}.py"))
    LazyConfig.save(cfg, str(folder / "narrow.yaml"))
    model = predicting(cfg)
    Checkpointer(model, str(folder)).save("narrow")
    with torch.no_grad():
        found = model([{"image": image()}])[0]["instances"]
    found = found[found.scores > CUTOFF]
    texts = {
        "boxes": found.pred_boxes.tensor.tolist(),
        "scores": found.scores.tolist(),
        "classes": found.pred_classes.tolist(),
    }
    (folder / "narrow.json").write_text(json.dumps(texts) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
