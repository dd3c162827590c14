"""The small FCOS with GN in its backbone, which leaves iBN the only norm of the batch."""

from .fcos_pconv_ibn import dataloader, lr_multiplier, model, optimizer, train

model.backbone.bottom_up.stem.norm = "GN"
model.backbone.bottom_up.stages[0].norm = "GN"
model.backbone.bottom_up.stages[1].norm = "GN"
model.backbone.bottom_up.stages[2].norm = "GN"
model.backbone.bottom_up.stages[3].norm = "GN"
train.output_dir = "./output/quickstart/fcos_pconv_ibn_gn"
