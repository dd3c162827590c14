#!/usr/bin/env python
"""Plot losses, learning rate and AP of trainings; and what a detector gets wrong."""

import sys

from sepc.jobs.plot_training import main

if __name__ == "__main__":
    sys.exit(main())
