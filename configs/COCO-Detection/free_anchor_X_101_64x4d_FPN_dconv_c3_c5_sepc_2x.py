"""FreeAnchor with the SEPC head "sepc" on ResNeXt-101-64x4d whose stages from res3 on deform."""

from sepc.d2.backbones.deform_block import DeformBottleneckBlock as _Deform

from .free_anchor_X_101_64x4d_FPN_sepc_2x import dataloader, lr_multiplier, model, optimizer, train

model.backbone.bottom_up.stages[1].block_class = _Deform
model.backbone.bottom_up.stages[2].block_class = _Deform
model.backbone.bottom_up.stages[3].block_class = _Deform
