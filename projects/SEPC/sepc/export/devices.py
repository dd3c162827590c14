"""Devices that files run on, by one name each: execution providers of ONNX Runtime, and OpenVINO's.

torch is not imported.
"""

import argparse
import os
import sys
from collections.abc import Sequence

#: of ONNX Runtime, after whose own operators the CPU computes what a device does not
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
#: of OpenVINO's runtime
OPENVINO_DEVICES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}
DEVICES = tuple(dict.fromkeys((*PROVIDERS, *OPENVINO_DEVICES)))
#: of those, what the tests run on
TESTED = ("cpu",)


def onnx_providers(device: str, available: Sequence[str]) -> list[str]:
    """Execution providers of ONNX Runtime for a device, in their order.

    Args:
        device: of :data:`PROVIDERS`.
        available: those of this build of ONNX Runtime.

    Raises:
        ValueError: if it has none for the device; names those that it has.
    """
    return list(dict.fromkeys((_named(device, PROVIDERS, available), PROVIDERS["cpu"])))


def openvino_device(device: str, available: Sequence[str]) -> str:
    """OpenVINO's name of a device of :data:`OPENVINO_DEVICES`; ValueError if it is not there."""
    kinds = [name.partition(".")[0] for name in available]  # GPU.0, GPU.1
    return _named(device, OPENVINO_DEVICES, kinds)


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, for a file of ONNX or OpenVINO."""
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="execution provider of ONNX Runtime, or a device of OpenVINO; all but cpu untested",
    )


def note_untested(device: str) -> None:
    """Tell on the standard error that no test has run on a device, where that is so."""
    if device not in TESTED:
        print(f"note: --device {device} has not been tested", file=sys.stderr)


def num_threads() -> int:
    """Number of threads to use on the CPU, 0 for the runtime's own choice."""
    if "torch" in sys.modules:
        return sys.modules["torch"].get_num_threads()
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() else 0


def _named(device: str, names: dict[str, str], available: Sequence[str]) -> str:
    there = [name for name, own in names.items() if own in available]
    if device not in there:
        raise ValueError(f"expected a device of {there}, which this runtime has, got {device!r}")
    return names[device]
