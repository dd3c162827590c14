"""Devices by name: those that a runtime has, and one line for the others."""

import pytest

from sepc.export import devices


def test_provider_and_the_cpu_after_it():
    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert devices.onnx_providers("cuda", there) == there
    assert devices.onnx_providers("cpu", there) == ["CPUExecutionProvider"]


def test_missing_provider_names_those_that_are_there():
    with pytest.raises(
        ValueError, match=r"expected a device of \['cpu', 'cuda'\], .*, got 'coreml'"
    ):
        devices.onnx_providers("coreml", ["CUDAExecutionProvider", "CPUExecutionProvider"])
    with pytest.raises(ValueError, match=r"expected a device of \['cpu'\], .*, got 'gpu'"):
        devices.openvino_device("gpu", ["CPU"])
    assert devices.openvino_device("gpu", ["CPU", "GPU.0", "GPU.1"]) == "GPU"


def test_a_file_says_which_devices_there_are(tmp_path):
    pytest.importorskip("onnxruntime")
    from sepc.export.exported import OnnxFile

    (tmp_path / "x.onnx").write_bytes(b"no matter")
    with pytest.raises(ValueError, match=r"expected a device of \['cpu'.*, got 'coreml'"):
        OnnxFile(tmp_path / "x.onnx", "coreml")


def test_untested_device_is_told(capsys):
    devices.note_untested("cpu")
    assert capsys.readouterr().err == ""
    devices.note_untested("cuda")
    assert capsys.readouterr().err == "note: --device cuda has not been tested\n"
