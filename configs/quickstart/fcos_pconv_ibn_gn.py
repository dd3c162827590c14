"""The small FCOS with GN in its backbone, which leaves iBN the only norm that sees the batch."""

from .fcos_sepc import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk.variant = "pconv_ibn"
model.backbone.bottom_up.stem.norm = "GN"
model.backbone.bottom_up.stages[0].norm = "GN"
model.backbone.bottom_up.stages[1].norm = "GN"
model.backbone.bottom_up.stages[2].norm = "GN"
model.backbone.bottom_up.stages[3].norm = "GN"
