"""Up within a tenth of the training, then down along a cosine, at once or after a time."""

from detectron2.config import LazyCall as L
from detectron2.solver import WarmupParamScheduler
from fvcore.common.param_scheduler import (
    CompositeParamScheduler,
    ConstantParamScheduler,
    CosineParamScheduler,
)

lr_multiplier_cosine = L(WarmupParamScheduler)(
    scheduler=L(CompositeParamScheduler)(
        schedulers=[
            L(ConstantParamScheduler)(value=1.0),
            L(CosineParamScheduler)(start_value=1.0, end_value=0.001),
        ],
        lengths=[0.0, 1.0],  # shares of the training, warm-up included
        interval_scaling=["rescaled", "rescaled"],
    ),
    warmup_length=0.1,
    warmup_factor=0.05,
)
