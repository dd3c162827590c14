#!/usr/bin/env python
"""Calibrate a detector's scores: detections and ground truth in, thresholds and calibrators out."""

import sys

from sepc.commands.calibrate_scores import main

if __name__ == "__main__":
    sys.exit(main())
