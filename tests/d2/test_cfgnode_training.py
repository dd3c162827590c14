"""Detectron2's own DefaultTrainer, DefaultPredictor and command line with SEPC's YAML files."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.engine import DefaultPredictor, DefaultTrainer

import sepc
from quickstart.data.coco_folder import write_dataset

from .helpers import ROOT
from .yaml_configs import DENSE, SMALL, path_of, read

RETINANET, FSAF = path_of("retinanet"), path_of("fsaf")


def tiny(output_dir):
    settings = {
        "MODEL.RESNETS.DEPTH": 18,
        "MODEL.RESNETS.RES2_OUT_CHANNELS": 64,
        "MODEL.ROI_BOX_HEAD.FC_DIM": 16,
        "DATALOADER.NUM_WORKERS": 0,
        "SOLVER.IMS_PER_BATCH": 2,
        "SOLVER.MAX_ITER": 2,
        "SOLVER.BASE_LR": 1e-4,
        "SOLVER.STEPS": (),
        "SOLVER.WARMUP_ITERS": 0,
        "INPUT.MIN_SIZE_TRAIN": (64,),
        "INPUT.MIN_SIZE_TEST": 64,
        "OUTPUT_DIR": str(output_dir),
    }
    return [x for item in settings.items() for x in item]


@pytest.mark.parametrize("path", [*DENSE, path_of("mask_rcnn")], ids=lambda path: path.stem)
def test_default_trainer_and_predictor(path, tiny_data, tmp_path):
    torch.manual_seed(0)
    data = ["DATASETS.TRAIN", ("tiny_train",), "DATASETS.TEST", ("tiny_val",)]
    cfg = read(path, *tiny(tmp_path), *data)
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=False)
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer.train()
    convolutions = [k for k, v in before.items() if v.dim() == 4 and "offset" not in k]
    after = trainer.model.state_dict()
    still = [k for k in convolutions if torch.equal(after[k], before[k])]
    assert all(re.search(r"stem|res2", k) for k in still), still  # which are frozen

    cfg.MODEL.WEIGHTS = str(tmp_path / "model_final.pth")
    predictor = DefaultPredictor(cfg)
    torch.testing.assert_close(predictor.model.state_dict(), trainer.model.state_dict())
    outputs = predictor(np.zeros((48, 80, 3), dtype=np.uint8))
    assert outputs["instances"].image_size == (48, 80)


def in_fresh_python(code, *arguments, **variables):
    """Runs code where Detectron2 itself imports the binding; what it prints."""
    path = os.pathsep.join([str(Path(sepc.__file__).parents[1]), str(ROOT)])
    own = {"DETECTRON2_ENV_MODULE": "sepc.d2.cfgnode", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **own, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("first", ["detectron2", "sepc.d2.cfgnode", "sepc.d2.detectors.heads"])
def test_detectron2_finds_the_keys_by_its_environment_variable(first):
    code = (
        f"import {first}\n"
        "from detectron2.config import get_cfg\n"
        "from detectron2.modeling import META_ARCH_REGISTRY\n"
        "cfg = get_cfg()\n"
        f"cfg.merge_from_file({str(RETINANET)!r})\n"
        "META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)\n"
        "print(cfg.MODEL.SEPC.VARIANT)\n"
    )
    assert in_fresh_python(code).split() == ["sepc"]


# What Detectron2's tools/train_net.py does; its wheel does not contain the tools.
TRAIN_NET = """
from detectron2.config import get_cfg
from detectron2.engine import DefaultTrainer, default_argument_parser, default_setup, launch

def main(args):
    cfg = get_cfg()
    cfg.merge_from_file(args.config_file)
    cfg.merge_from_list(args.opts)
    cfg.freeze()
    default_setup(cfg, args)
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    trainer.train()

args = default_argument_parser().parse_args()
launch(main, 1, args=(args,))
"""


def test_detectron2s_command_line_trains_from_a_yaml_file(tmp_path):
    write_dataset(
        tmp_path / "coco",
        train_images=4,
        val_images=2,
        image_size=64,
        categories="coco",
        progress=False,
    )
    output = tmp_path / "output"
    variant = ["MODEL.SEPC.VARIANT", "sepc_lite", "MODEL.SEPC.MODULATED", True]
    command = ["--config-file", FSAF, *SMALL, *tiny(output), *variant]
    in_fresh_python(TRAIN_NET, *command, DETECTRON2_DATASETS=str(tmp_path))
    assert (output / "model_final.pth").exists()
    assert read(output / "config.yaml", small=[]).MODEL.SEPC.MODULATED is True
