"""FreeAnchor with "sepc_lite" for the authors' released weights. They publish AP 41.9."""

from .free_anchor_R_50_FPN_sepc_1x import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk.variant = "sepc_lite"
