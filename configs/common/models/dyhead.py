"""DyHead as the trunk of a detector's head, in the place of SEPC."""

from detectron2.config import LazyCall as L

from sepc.layers import DyHead

trunk = L(DyHead)(in_channels="${...backbone.out_channels}", num_blocks=6, num_levels=5)
