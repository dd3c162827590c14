#!/usr/bin/env python
"""Evaluate detections on LVIS data by AP-Fixed and AP-Pool (https://arxiv.org/abs/2102.01066)."""

import sys

from sepc.commands.evaluate_lvis import main

if __name__ == "__main__":
    sys.exit(main())
