"""The detectors: one file each, on what :mod:`.dense` and :mod:`.assigned` share."""
