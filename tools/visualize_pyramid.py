#!/usr/bin/env python
"""Draw what SEPC does to an image, as one figure."""

import sys

from sepc.commands.visualize_pyramid import main

if __name__ == "__main__":
    sys.exit(main())
