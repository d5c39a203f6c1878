"""An ONNX model with names and an order that depend on nothing but the network."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# Of the format, not of a library: version 8 is read by onnxruntime 1.14 and later.
_IR_VERSION = 8


def canonical(model: "ModelProto") -> "ModelProto":
    """Name and order the steps of ``model`` by how the outputs are computed; the batch's size is named ``batch``.

    A converter numbers and orders them as Python's sets happen to be ordered in its process.
    """
    from onnx import helper

    nodes = _in_order(model)
    stored = {constant.name: constant for constant in model.graph.initializer}
    names = {value.name: value.name for value in (*model.graph.input, *model.graph.output)}
    constants = list(dict.fromkeys(name for node in nodes for name in node.input if name in stored))
    names |= {name: f"constant_{number}" for number, name in enumerate(constants)}
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        for position, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}_{position}")
        # An empty name stands for an input that is left out.
        node.input[:] = [names[name] if name else "" for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for name in constants:
        stored[name].name = names[name]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    weights = [stored[name] for name in constants]
    graph = helper.make_graph(nodes, "facesent", model.graph.input, model.graph.output, weights)
    opsets = [opset for opset in model.opset_import if not opset.domain]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="facesent")


def _in_order(model: "ModelProto") -> "list[NodeProto]":
    """The nodes that the outputs need, each after those it needs, depth first."""
    makers = {name: node for node in model.graph.node for name in node.output}
    ordered: list[NodeProto] = []
    seen: set[str] = set()
    left = [(output.name, False) for output in reversed(model.graph.output)]
    while left:
        name, ready = left.pop()
        node = makers.get(name)
        if node is None or node.output[0] in seen:
            continue
        if ready:
            seen.add(node.output[0])
            ordered.append(node)
        else:
            left.append((name, True))
            left.extend((needed, False) for needed in reversed(node.input))
    return ordered
