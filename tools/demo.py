#!/usr/bin/env python
"""Run a detector on images, a video or a webcam, as Detectron2's demo does."""

import sys

from sepc.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
