#!/usr/bin/env python
"""Convert weights of the authors, UniverseNet, torchvision or timm for a detector of ours."""

import sys

from sepc.commands.convert import main

if __name__ == "__main__":
    sys.exit(main())
