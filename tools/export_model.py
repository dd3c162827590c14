#!/usr/bin/env python
"""Write a trained detector as one file, from pixels to detections, and check it."""

import sys

from sepc.commands.export import main

if __name__ == "__main__":
    sys.exit(main())
