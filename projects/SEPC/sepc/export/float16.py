"""A part of an ONNX graph in float16, the rest as it is.

ONNX Runtime's converter can leave nodes out, but then takes what is between two of them through
float16 all the same. So it gets the part alone, as a model of its own.
"""

from collections.abc import Callable
from typing import Any

import onnx
import onnx_ir

_PREFIX = "float16."


def convert_part(model: Any, part: set[str], convert: Callable[..., Any]) -> Any:
    """Convert the nodes named in ``part``; tensors that enter or leave it keep their types.

    Args:
        model: an ``onnx.ModelProto``; changed in place.
        part: names of nodes.
        convert: ``onnxruntime.transformers.float16.convert_float_to_float16``.

    Returns:
        the model.
    """
    graph = model.graph
    inside = [node for node in graph.node if node.name in part]
    outside = [node for node in graph.node if node.name not in part]
    produced = {name for node in inside for name in node.output if name}
    constants = {x.name: x for x in graph.initializer}
    read = dict.fromkeys(name for node in inside for name in node.input if name)
    entering = [name for name in read if name not in produced and name not in constants]
    wanted = {name for node in outside for name in node.input} | {x.name for x in graph.output}
    leaving = [name for node in inside for name in node.output if name in wanted]

    known = {x.name: x for x in (*graph.input, *graph.value_info, *graph.output)}
    own_constants = []
    for name in read:
        if name in constants:
            copied = onnx.TensorProto()
            copied.CopyFrom(constants[name])
            copied.name = _PREFIX + name  # another part of the graph may use it as well
            own_constants.append(copied)
    for node in inside:
        for i, name in enumerate(node.input):
            if name in constants:
                node.input[i] = _PREFIX + name
    alone = onnx.helper.make_model(
        onnx.helper.make_graph(
            inside,
            "part",
            [known[name] for name in entering],
            [known[name] for name in leaving],
            own_constants,
            value_info=[known[name] for name in produced if name in known and name not in leaving],
        ),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    half = convert(alone, keep_io_types=True).graph

    still_read = {name for node in outside for name in node.input}
    initializers = [x for x in graph.initializer if x.name in still_read] + list(half.initializer)
    types = [x for x in graph.value_info if x.name not in produced or x.name in leaving]
    for field, items in (
        ("node", [*outside, *half.node]),
        ("initializer", initializers),
        ("value_info", types),
    ):
        items = list(items)
        del getattr(graph, field)[:]
        getattr(graph, field).extend(items)
    sorted_model = onnx_ir.from_proto(model)
    sorted_model.graph.sort()
    return onnx_ir.to_proto(sorted_model)
