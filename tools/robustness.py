#!/usr/bin/env python
"""Measure how a detector does on corrupted images: mPC and rPC, 15 corruptions at 5 severities."""

import sys

from sepc.commands.robustness import main

if __name__ == "__main__":
    sys.exit(main())
