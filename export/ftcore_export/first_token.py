"""Where a head reads the first token alone, the last layer computes that token alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, helper, numpy_helper

from ftcore_export.nodes import axes_of, read_attribute

_FIRST = "first_entry"  # the initializer [0]
_ELEMENTWISE = {
    "Add", "Cast", "Div", "Erf", "Gelu", "Identity", "Mul", "Neg", "Pow", "Relu", "Sigmoid", "Sub", "Tanh", "Where",
}  # fmt: skip


def compute_first_token(graph: onnx.GraphProto) -> None:
    """Narrow, in place, what is read by nothing but `hidden[:, 0]` to that one token.

    Heads of BERT's kind read the first token of the last layer. That layer's keys and values are those of all tokens;
    its query, attention and feed-forward need not be: ten twelfths of its products, a seventh of all in a model of six
    layers. The answers are the same, to float32's rounding. A graph with graphs inside is left as it is.
    """
    inside = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    if not any(attribute.type in inside for node in graph.node for attribute in node.attribute):
        _Narrowing(graph).apply()


class _Reader(NamedTuple):
    """An input of a node that needs the first entry of an axis and no more; an end reads either as it is."""

    node: NodeProto
    argument: int
    axis: int
    end: bool


class _Narrowing:
    """From the last operator up: one is narrowed where all that read it are, and where its inputs can be; where that
    ends a `Gather` takes the first entry.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._values = {value.name: value for value in graph.value_info}
        self._shapes = {value.name: axes_of(value) for value in (*graph.value_info, *graph.input)}
        self._shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        self._zeros = {
            tensor.name
            for tensor in graph.initializer
            if np.prod(tensor.dims) == 1 and not numpy_helper.to_array(tensor).any()
        }
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._uses.update(value.name for value in graph.output)
        self._readers: defaultdict[str, list[_Reader]] = defaultdict(list)  # by tensor
        self._gathers: defaultdict[str, list[NodeProto]] = defaultdict(list)  # by the tensor that they read

    def apply(self) -> None:
        """Rewrite the graph."""
        graph = self._graph
        for node in reversed(graph.node):
            if self._is_end(node):
                self._readers[node.input[0]].append(_Reader(node, 0, 1, end=True))
            if not any(name in self._readers for name in node.output):
                continue
            if (cuts := self._cuts(node)) is None:
                for name in node.output:
                    self._gather(name)
            else:
                self._narrow(node, cuts)
        produced = {name for node in graph.node for name in node.output}
        for name in [name for name in self._readers if name not in produced]:
            self._gather(name)
        if not self._gathers:
            return
        nodes = [gather for name in self._gathers if name not in produced for gather in self._gathers[name]]
        for node in graph.node:
            nodes += [node, *(gather for name in node.output for gather in self._gathers.get(name, ()))]
        del graph.node[:]
        graph.node.extend(nodes)
        graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), _FIRST))

    def _is_end(self, node: NodeProto) -> bool:
        return (
            node.op_type == "Gather"
            and read_attribute(node, "axis") == 1
            and node.input[1] in self._zeros
            and len(self._shapes.get(node.input[0], ())) == 3
        )

    def _cuts(self, node: NodeProto) -> list[tuple[int, int]] | None:
        """The inputs (index, axis) to be narrowed so that the node's one output is; None where it cannot be."""
        (name,) = node.output if len(node.output) == 1 else ("",)
        readers = self._readers.get(name, [])
        axes = {reader.axis for reader in readers}
        if len(axes) != 1 or self._uses[name] != len(readers) or name not in self._values:
            return None
        shapes = [self._shapes.get(given) for given in node.input]
        axis, output = axes.pop(), self._shapes[name]
        if None in shapes or not isinstance(output[axis], str):  # only what is known to be the axis of tokens
            return None
        return _cuts(node, axis, [shape or () for shape in shapes], output)

    def _narrow(self, node: NodeProto, cuts: list[tuple[int, int]]) -> None:
        (name,) = node.output
        axis = self._readers[name][0].axis
        if node.op_type == "Reshape":  # to the same axes as before, one of them shorter
            shape = f"{name}_first"
            sizes = np.array([*[0] * axis, 1, *self._shapes[name][axis + 1 :]], np.int64)  # 0: as it was
            self._graph.initializer.append(numpy_helper.from_array(sizes, shape))
            node.input[1] = shape
            del node.attribute[:]  # allowzero
        self._values[name].type.tensor_type.shape.dim[axis].dim_value = 1
        for index, of in cuts:
            self._readers[node.input[index]].append(_Reader(node, index, of, end=False))

    def _gather(self, name: str) -> None:
        """Give all that asked for it the first entry of a tensor that stays whole."""
        for axis in sorted({reader.axis for reader in self._readers[name] if not reader.end}):
            first = f"{name}_first_{axis}"
            self._gathers[name].append(
                helper.make_node("Gather", [name, _FIRST], [first], name=first, axis=axis)
            )
            for reader in self._readers[name]:
                if not reader.end and reader.axis == axis:
                    reader.node.input[reader.argument] = first


def _cuts(
    node: NodeProto, axis: int, inputs: Sequence[tuple[int | str, ...]], output: tuple[int | str, ...]
) -> list[tuple[int, int]] | None:
    """Likewise, by the shapes of its inputs and its output."""
    rank = len(output)
    if node.op_type in _ELEMENTWISE:
        return _broadcast_cuts(axis, inputs, output)
    if node.op_type == "MatMul" and axis == rank - 2 and len(inputs[0]) == rank:
        return [(0, axis)]
    if node.op_type == "LayerNormalization" and axis < _counted(node, rank):
        return [(0, axis)]
    if node.op_type == "Softmax" and axis != _counted(node, rank):
        return [(0, axis)]
    if node.op_type == "Transpose":
        order = read_attribute(node, "perm")
        assert isinstance(order, list)
        return [(0, order[axis])]
    if (
        node.op_type == "Reshape"
        and inputs[0][: axis + 1] == output[: axis + 1]
        and all(output[: axis + 1])
        and all(isinstance(size, int) and size > 0 for size in output[axis + 1 :])
    ):
        return [(0, axis)]
    return None


def _counted(node: NodeProto, rank: int) -> int:
    """The attribute `axis`, counted from the first one; the last unless given."""
    axis = read_attribute(node, "axis")
    return rank - 1 if axis is None else int(str(axis)) % rank


def _broadcast_cuts(
    axis: int, inputs: Sequence[tuple[int | str, ...]], output: tuple[int | str, ...]
) -> list[tuple[int, int]] | None:
    """Those of an operator on elements: an input that has one entry for all stays as it is."""
    cuts = []
    for index, shape in enumerate(inputs):
        own = axis - len(output) + len(shape)
        if own < 0 or shape[own] == 1:
            continue
        if shape[own] != output[axis]:
            return None
        cuts.append((index, own))
    return cuts
