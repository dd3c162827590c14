"""The authors' schedules: 12 epochs of COCO in batches of 16 (7330 iterations each), or 24."""

from detectron2.config import LazyCall as L
from detectron2.solver import WarmupParamScheduler
from fvcore.common.param_scheduler import MultiStepParamScheduler

# Detectron2's own 1x has 90000 iterations with steps at 60000 and 80000.
lr_multiplier_1x = L(WarmupParamScheduler)(
    scheduler=L(MultiStepParamScheduler)(
        values=[1.0, 0.1, 0.01],
        milestones=[8 * 7330, 11 * 7330],
        num_updates=12 * 7330,
    ),
    warmup_length=500 / (12 * 7330),
    warmup_method="linear",
    warmup_factor=1 / 3,
)

# 24 epochs, with steps after 16 and 22
lr_multiplier_2x = L(WarmupParamScheduler)(
    scheduler=L(MultiStepParamScheduler)(
        values=[1.0, 0.1, 0.01],
        milestones=[16 * 7330, 22 * 7330],
        num_updates=24 * 7330,
    ),
    warmup_length=500 / (24 * 7330),
    warmup_method="linear",
    warmup_factor=1 / 3,
)
