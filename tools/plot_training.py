#!/usr/bin/env python
"""Plot losses, learning rate and AP of trainings; and what a detector gets wrong."""

import sys

from sepc.commands.plot_training import main

if __name__ == "__main__":
    sys.exit(main())
