#!/usr/bin/env python
"""Make a checkpoint's running statistics anew from a data set: checkpoint in, checkpoint out."""

import sys

from sepc.commands.calibrate_norm import main

if __name__ == "__main__":
    sys.exit(main())
