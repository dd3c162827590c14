"""Reader of pickle files that makes arrays, tensors and plain containers, and nothing else."""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any

import numpy as np
import torch


def load_pickle(file: IO[bytes], *, encoding: str = "latin1") -> Any:
    """Load a file as :func:`pickle.load` does, if it holds nothing but data.

    Args:
        file: open for reading.
        encoding: of what Python 2 called a string.

    Raises:
        pickle.UnpicklingError: if the file asks for anything else; nothing of it has been run.
    """
    return _Unpickler(file, encoding=encoding).load()


def numpy_constructors() -> list[Any]:
    """Functions that pickles of numpy's arrays and scalars are made with; none runs code."""
    array = np.zeros(1)
    dtypes = {type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"]}
    return [
        np.ndarray,
        np.dtype,
        *sorted({*dtypes, type(np.dtype(bool))}, key=lambda x: x.__name__),
        array.__reduce__()[0],
        array.__reduce_ex__(5)[0],
        array[0].__reduce__()[0],
    ]


def _storage(data: bytes) -> Any:
    """Load a tensor's storage in place of torch's own function, which would unpickle anything."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _encode(text: str, encoding: str = "utf-8") -> bytes:
    """Encode text in place of ``codecs.encode``, which has other codecs than those of text."""
    if encoding not in ("latin1", "utf-8"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode(encoding)


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch.storage", "_load_from_bytes"): _storage,
    **{("builtins", x.__name__): x for x in (bytes, set, frozenset, bytearray, complex)},
    **{("__builtin__", x.__name__): x for x in (bytes, set, frozenset, bytearray, complex)},
}
for _function in numpy_constructors():
    _module = _function.__module__
    _ALLOWED[_module, _function.__name__] = _function
    # numpy 1 and 2 call the same module differently
    _ALLOWED[_module.replace("numpy._core", "numpy.core"), _function.__name__] = _function
    _ALLOWED[_module.replace("numpy.core", "numpy._core"), _function.__name__] = _function


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is not data; nothing of it was run"
            )
        return _ALLOWED[module, name]
