"""Weights in blocks of 8 or 4 bits: products of every form, and tied embeddings that are looked up in their blocks."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import as_model
from onnx import TensorProto, helper, numpy_helper

from ftcore_export.weights_only import BLOCK, quantize_weights
from ftcore_runtime.session import GraphSession

ROWS = 50  # of a table


def write_tied(path: Path, width: int) -> np.ndarray:
    """A graph that looks rows of a table up, and multiplies them with the table; the table."""
    table = np.random.default_rng(0).normal(size=(ROWS, width)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["found"]),
        helper.make_node("Transpose", ["table"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["found", "turned"], ["product"]),
    ]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["rows", "tokens"])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "tokens", size])
        for name, size in (("found", width), ("product", ROWS))
    ]
    graph = helper.make_graph(nodes, "g", [ids], outputs, [numpy_helper.from_array(table, "table")])
    onnx.save(as_model(graph), path)
    return table


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("width", [2 * BLOCK, 2 * BLOCK - 5])
def test_a_tied_embedding_is_stored_once(width: int, bits: int, tmp_path: Path) -> None:
    table = write_tied(tmp_path / "fp32.onnx", width)
    path = quantize_weights(tmp_path / "fp32.onnx", tmp_path / "small.onnx", bits)
    large = [t for t in onnx.load(path).graph.initializer if np.prod(t.dims) >= ROWS * width // 2]
    assert [(t.data_type, tuple(t.dims)) for t in large] == [
        (TensorProto.UINT8, (ROWS, 2, BLOCK * bits // 8))
    ]
    ids = np.array([[3, 1, ROWS - 1], [0, 2, 2]])
    found = GraphSession(path.read_bytes(), "model", outputs=["found", "product"]).run({"ids": ids})
    step = np.abs(table).max() / (2 ** (bits - 1) - 1)
    np.testing.assert_allclose(found["found"], table[ids], atol=step)
    expected = table[ids] @ table.T
    assert np.abs(found["product"] - expected).mean() < {8: 0.01, 4: 0.15}[bits] * expected.std()


@pytest.mark.parametrize("turned", [False, True])
def test_products_with_a_bias_are_in_eight_bits(turned: bool, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    matrix, bias = draw.normal(size=(64, 48)).astype(np.float32), draw.normal(size=48).astype(np.float32)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
        for name, width in (("x", 64), ("y", 48))
    ]
    constants = [numpy_helper.from_array(np.ascontiguousarray(matrix.T if turned else matrix), "w"),
                 numpy_helper.from_array(bias, "b")]  # fmt: skip
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=int(turned))
    graph = helper.make_graph([node], "g", values[:1], values[1:], constants)
    onnx.save(
        as_model(graph),
        tmp_path / "fp32.onnx",
    )
    path = quantize_weights(tmp_path / "fp32.onnx", tmp_path / "small.onnx")
    assert [node.op_type for node in onnx.load(path).graph.node] == ["MatMulNBits", "Add"]
    rows = draw.normal(size=(7, 64)).astype(np.float32)
    found = GraphSession(path.read_bytes(), "model", outputs=["y"]).run({"x": rows})["y"]
    expected = rows @ matrix + bias
    assert 0 < np.abs(found - expected).mean() < 0.01 * expected.std()
