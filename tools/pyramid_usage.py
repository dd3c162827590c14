#!/usr/bin/env python
"""Tell which levels of its pyramid a detector uses on a data set, before it is trained."""

import sys

from sepc.commands.pyramid_usage import main

if __name__ == "__main__":
    sys.exit(main())
