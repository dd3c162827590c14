#!/usr/bin/env python
"""Train or evaluate a detector of a LazyConfig file, on GPUs of one or many machines or a CPU."""

from sepc.jobs.train import invoke_main, main

__all__ = ["invoke_main", "main"]

if __name__ == "__main__":
    invoke_main()
