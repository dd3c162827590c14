#!/usr/bin/env python
"""Evaluate an exported detector of any format by COCO's metrics."""

import sys

from sepc.commands.evaluate_exported import main

if __name__ == "__main__":
    sys.exit(main())
