"""What docs/in_your_project.md tells its reader to write, run as it stands but smaller."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from quickstart.data.coco_folder import write_dataset

from .helpers import ROOT

PAGE = (ROOT / "docs" / "in_your_project.md").read_text(encoding="utf-8")
LAZY, YAML, PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

# What Detectron2's tools/lazyconfig_train_net.py does with a config, by Detectron2 alone.
LAZY_TRAIN = """
import sys
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import LazyConfig, instantiate
from detectron2.engine import AMPTrainer, SimpleTrainer, default_setup, hooks
from detectron2.engine.defaults import create_ddp_model
from detectron2.evaluation import inference_on_dataset

cfg = LazyConfig.apply_overrides(LazyConfig.load("my_config.py"), sys.argv[1:])
default_setup(cfg, None)
model = instantiate(cfg.model).to(cfg.train.device)
cfg.optimizer.params.model = model
optimizer = instantiate(cfg.optimizer)
model = create_ddp_model(model, **cfg.train.ddp)
kind = AMPTrainer if cfg.train.amp.enabled else SimpleTrainer
trainer = kind(model, instantiate(cfg.dataloader.train), optimizer)
checkpointer = DetectionCheckpointer(model, cfg.train.output_dir, trainer=trainer)
trainer.register_hooks([
    hooks.IterationTimer(),
    hooks.LRScheduler(scheduler=instantiate(cfg.lr_multiplier)),
    hooks.PeriodicCheckpointer(checkpointer, **cfg.train.checkpointer),
])
checkpointer.resume_or_load(cfg.train.init_checkpoint, resume=False)
trainer.train(0, cfg.train.max_iter)
inference_on_dataset(
    model, instantiate(cfg.dataloader.test), instantiate(cfg.dataloader.evaluator)
)
"""
SMALL_LAZY = (
    "dataloader.train.mapper.augmentations.0.short_edge_length=64",
    "dataloader.test.mapper.augmentations.0.short_edge_length=64",
    "dataloader.train.num_workers=0",
    "dataloader.test.num_workers=0",
    "model.backbone.out_channels=8",
    "train.device=cpu",
    "train.init_checkpoint=''",
    "train.max_iter=2",
)
SMALL_YAML = """
cfg.merge_from_list([
    "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.FPN.OUT_CHANNELS", 8,
    "DATALOADER.NUM_WORKERS", 0, "SOLVER.MAX_ITER", 2, "SOLVER.STEPS", (),
    "INPUT.MIN_SIZE_TRAIN", (64,), "INPUT.MIN_SIZE_TEST", 64,
])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Folder of the reader, with data of three classes."""
    folder = tmp_path_factory.mktemp("project")
    data = folder / "datasets" / "my_data"
    write_dataset(data, train_images=6, val_images=2, image_size=64, seed=3, progress=False)
    for path in (data / "annotations").glob("*.json"):
        content = json.loads(path.read_text())
        content["categories"] = content["categories"][:3]
        kept = {x["id"] for x in content["categories"]}
        content["annotations"] = [x for x in content["annotations"] if x["category_id"] in kept]
        path.write_text(json.dumps(content))
    return folder


def run(folder, code, *arguments):
    environment = {"PYTHONPATH": str(ROOT / "projects" / "SEPC"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow  # test_train_net.py stays
def test_lazy_config_in_detectron2s_program(project):
    (project / "my_config.py").write_text(LAZY)
    run(project, LAZY_TRAIN, *SMALL_LAZY)
    weights = project / "output" / "my_data" / "model_final.pth"
    assert torch.load(weights, weights_only=True)["iteration"] == 1
    assert "train.output_dir" in LAZY


@pytest.mark.slow  # test_cfgnode_training.py stays
def test_yaml_with_default_trainer(project):
    start = "trainer = DefaultTrainer(cfg)"
    assert start in YAML
    code = YAML.replace('my_data"\n\ntrainer', 'by_yaml"\n\ntrainer')
    run(project, code.replace(start, SMALL_YAML + start))
    state = torch.load(project / "output" / "by_yaml" / "model_final.pth", weights_only=True)
    assert state["iteration"] == 1
    assert state["model"]["head.cls_score.bias"].numel() == 3 * 9


def test_python_only():
    small = "cfg.model.num_classes = 3\ncfg.model.backbone.out_channels = 8"
    code = PYTHON.replace("cfg.model.num_classes = 3", small).replace("480, 640", "96, 128")
    assert code.count("out_channels = 8") == code.count("96, 128") == 1
    names = {}
    exec(compile(code, "docs/in_your_project.md", "exec"), names)
    assert {"loss_cls"} <= set(names["losses"])
    assert all(torch.isfinite(loss) for loss in names["losses"].values())
    assert names["model"].backbone.bottom_up.res5[0].conv1.weight.grad is not None
    assert {"pred_boxes", "scores", "pred_classes"} <= set(names["found"].get_fields())
