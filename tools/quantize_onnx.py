#!/usr/bin/env python
"""Write an exported ONNX file, or one of OpenVINO, in a smaller precision."""

import sys

from sepc.commands.quantize_onnx import main

if __name__ == "__main__":
    sys.exit(main())
