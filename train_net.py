#!/usr/bin/env python
"""Train or evaluate a detector of a LazyConfig file, on GPUs of one or many machines or a CPU."""

import sys

from sepc.commands.train import main as invoke_main
from sepc.commands.train import train as main

__all__ = ["invoke_main", "main"]

if __name__ == "__main__":
    sys.exit(invoke_main())
