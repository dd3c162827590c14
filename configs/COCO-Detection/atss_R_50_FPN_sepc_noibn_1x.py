"""ATSS with SEPC but without iBN. UniverseNet publishes AP 42.1 on COCO val."""

from .atss_R_50_FPN_sepc_1x import dataloader, lr_multiplier, model, optimizer, train

model.head.trunk.norm = None
