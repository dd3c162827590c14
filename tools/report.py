#!/usr/bin/env python
"""Write the report of a training, one HTML file that opens without a network."""

import sys

from sepc.commands.report import main

if __name__ == "__main__":
    sys.exit(main())
