#!/usr/bin/env python
"""Check data in COCO's format as a training does, and make a page of what is in them."""

import sys

from sepc.commands.check_data import main

if __name__ == "__main__":
    sys.exit(main())
