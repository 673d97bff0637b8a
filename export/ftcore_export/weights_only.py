"""An ONNX graph with weights in 8 or 4 bits, a scale for every few: for texts that are written token by token."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ftcore_export.nodes import is_matrix, is_plain_gemm, read_attribute
from ftcore_export.quantize import MICROSOFT, quantize_tables, save

BLOCK = 32  # weights, and activations, that share a scale
_INTEGERS = 4  # of MatMulNBits' levels of accuracy the one that multiplies 8 bits with 8 bits


def quantize_weights(src: Path, dst: Path, bits: int = 8) -> Path:
    """Weights in 8 (or 4) bits, a scale for every 32 of them; activations are in 8, while a product is computed.

    To compute in float32 onnxruntime has no kernel for 8 bits: it writes the whole matrix out in float32 for every
    product, which takes ten to fifty times as long for one token. 32 activations that share a scale lose half as much
    as a whole row that does (0.5 % of an output's standard deviation in a product of MiniLM's sizes, against 0.9 %;
    with activations in float32 it is 0.3 %).

    A tied embedding is stored once, as the output's matrix: rows are looked up in that. Other tables are in 8 bits.
    """
    model = onnx.load(src)
    graph = model.graph
    _as_products(graph)
    turned = _turn_tied_tables(graph)
    model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    with _unchanged("", "onnxruntime.quantization.matmul_nbits_quantizer") as loggers:
        # To import it sets up the root logger for every library to talk to the terminal.
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        loggers[-1].setLevel(logging.WARNING)  # it says a line for every operator
        quantizer = MatMulNBitsQuantizer(
            model, bits=bits, block_size=BLOCK, is_symmetric=True, accuracy_level=_INTEGERS
        )
        quantizer.process()
    model = quantizer.model.model
    _look_up_in_matrices(model.graph, turned, bits)
    quantize_tables(model)
    return save(model, dst)


def _as_products(graph: onnx.GraphProto) -> None:
    """Write each `Gemm` with a constant matrix as `MatMul` and `Add`: the quantizer knows no other."""
    weights = {tensor.name: tensor for tensor in graph.initializer if is_matrix(tensor)}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type != "Gemm" or node.input[1] not in weights or not is_plain_gemm(node):
            nodes.append(node)
            continue
        rows, matrix, *bias = node.input
        if read_attribute(node, "transB"):
            matrix = _store(graph, f"{matrix}_turned", numpy_helper.to_array(weights[matrix]).T)
        output = node.output[0]
        product = f"{output}_product" if bias else output
        nodes.append(helper.make_node("MatMul", [rows, matrix], [product], name=product))
        if bias:
            nodes.append(helper.make_node("Add", [product, bias[0]], [output], name=output))
    _replace(graph, nodes)


def _turn_tied_tables(graph: onnx.GraphProto) -> dict[str, str]:
    """Store what tied embeddings are turned to for the output; table -> that matrix."""
    weights = {tensor.name: tensor for tensor in graph.initializer if is_matrix(tensor)}
    turned: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        if node.op_type == "Transpose" and node.input[0] in weights:
            (table,), (matrix,) = node.input, node.output
            _store(graph, matrix, numpy_helper.to_array(weights[table]).T)
            turned[table] = matrix
        else:
            nodes.append(node)
    _replace(graph, nodes)
    return turned


def _look_up_in_matrices(graph: onnx.GraphProto, turned: dict[str, str], bits: int) -> None:
    """Look rows of tied tables up in the blocks, [vocabulary, blocks, bytes], of the matrices that they became."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type != "Gather" or node.input[0] not in turned or read_attribute(node, "axis"):
            nodes.append(node)
            continue
        table, ids = node.input
        matrix, output, width = turned[table], node.output[0], shapes[table][1]
        blocks = f"{matrix}_Q{bits}"
        rows, count, _ = shapes[blocks]

        def step(operator: str, inputs: list[str], name: str, **attributes: object) -> str:
            nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
            return name

        sizes = _store(graph, f"{matrix}_scale_sizes", np.array([rows, count, 1]))
        scales = step("Reshape", [f"{matrix}_scales", sizes], f"{output}_scales")
        found = step(
            "GatherBlockQuantized",
            [blocks, ids, scales],
            f"{output}_blocks",
            domain=MICROSOFT,
            bits=bits,
            block_size=BLOCK,
            gather_axis=0,
            quantize_axis=2,
        )
        # 0: as long as it is there, for the axes of the ids, of which there are two in every graph.
        whole = step(
            "Reshape",
            [found, _store(graph, f"{matrix}_sizes", np.array([0, 0, count * BLOCK]))],
            f"{output}_filled" if count * BLOCK > width else output,
        )
        if whole != output:  # the last block of a row is filled up
            ends = [_store(graph, f"{matrix}_{name}", np.array([value])) for name, value in
                    (("from", 0), ("to", width), ("axis", 2))]  # fmt: skip
            step("Slice", [whole, *ends], output)
    _replace(graph, nodes)


def _store(graph: onnx.GraphProto, name: str, value: np.ndarray) -> str:
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    return name


def _replace(graph: onnx.GraphProto, nodes: list[NodeProto]) -> None:
    """These nodes in place of all, and without the constants that nothing reads any more."""
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input} | {output.name for output in graph.output}
    kept: list[TensorProto] = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


@contextmanager
def _unchanged(*names: str) -> Iterator[list[logging.Logger]]:
    """These loggers, whose handlers and levels are afterwards what they were."""
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    try:
        yield loggers
    finally:
        for logger, (handlers, level) in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers
            logger.setLevel(level)
