#!/usr/bin/env python
"""Average the weights of several checkpoints of one model into one checkpoint."""

import sys

from sepc.commands.average_checkpoints import main

if __name__ == "__main__":
    sys.exit(main())
