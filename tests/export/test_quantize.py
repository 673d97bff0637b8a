import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from bundles import INPUTS, Tiny, sentences
from graphs import as_model
from onnx import helper

from ftcore_export.quantize import LOWEST, quantize_int8
from ftcore_runtime.session import GraphSession


def test_is_smaller_and_close(tiny: Tiny) -> None:
    encoder = tiny.encoder()
    inputs = encoder.collate(encoder.encode(sentences(64)))
    run = {
        path: GraphSession(path.read_bytes(), "model", inputs=INPUTS, outputs=["logits"]).run(inputs)[
            "logits"
        ]
        for path in (tiny.fp32, tiny.int8)
    }
    reference, quantized = run[tiny.fp32], run[tiny.int8]
    assert tiny.int8.stat().st_size < 0.7 * tiny.fp32.stat().st_size
    drift = np.abs(quantized - reference).mean() / reference.std()
    assert 0 < drift < 0.2


def test_matrices_keep_to_seven_bits_and_tables_go_along(tiny: Tiny) -> None:
    tensors = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(tiny.int8).graph.initializer
    }
    wide = {name: tensor for name, tensor in tensors.items() if tensor.ndim == 2 and tensor.shape[1] > 1}
    assert {tensor.dtype.name for tensor in wide.values()} == {
        "int8",
        "int64",
    }  # position ids: no float32 left
    matrices = [tensor for name, tensor in wide.items() if name.endswith("_int8")]
    assert len(matrices) == 14  # six in each of two layers, pooler and classifier
    assert all(np.abs(tensor).max() == 63 for tensor in matrices)
    tables = [tensor for name, tensor in wide.items() if name.endswith("_rows")]
    assert len(tables) == 3
    assert all(np.abs(tensor).max() == 127 for tensor in tables)


def test_a_row_answers_the_same_in_any_batch(tiny: Tiny) -> None:
    encoder = tiny.encoder()
    session = GraphSession(tiny.int8.read_bytes(), "model", inputs=INPUTS, outputs=["logits"])
    together = session.run(encoder.collate(encoder.encode(sentences(32))))["logits"]
    alone = np.concatenate(
        [session.run(encoder.collate(encoder.encode([text])))["logits"] for text in sentences(32)]
    )
    # A float's last digit may still move a value to the next of its 255 steps.
    assert np.abs(together - alone).max() < 0.02 * together.std()


def test_is_quiet_and_deterministic(tiny: Tiny, tmp_path, capfd, caplog) -> None:
    assert quantize_int8(tiny.fp32, tmp_path / "again.onnx").read_bytes() == tiny.int8.read_bytes()
    captured = capfd.readouterr()
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (captured.out, captured.err, warned) == ("", "", [])


@pytest.mark.parametrize("before", ["Identity", "Relu", "Gelu"])
def test_rows_of_any_size_have_a_scale_of_their_own(before: str, tmp_path: Path) -> None:
    """Zeros, small, large and, of what has a lowest value, only negative ones."""
    weights = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    nodes = [
        helper.make_node(before, ["rows"], ["activation"]),
        helper.make_node("MatMul", ["activation", "weights"], ["product"]),
    ]
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", width])
        for name, width in (("rows", 8), ("activation", 8), ("product", 4))
    ]
    graph = helper.make_graph(
        nodes, "g", values[:1], values[1:], [onnx.numpy_helper.from_array(weights, "weights")]
    )
    onnx.save(
        as_model(graph),
        tmp_path / "fp32.onnx",
    )
    path = quantize_int8(tmp_path / "fp32.onnx", tmp_path / "int8.onnx")
    given = np.zeros((5, 8), np.float32)
    given[1] = np.arange(8)
    given[2] = 1e-3 * np.arange(-4, 4)
    given[3] = 1e3 * np.arange(-4, 4)
    given[4] = -np.arange(8) / 4
    session = GraphSession(path.read_bytes(), "model", outputs=["activation", "product"])
    found = session.run({"rows": given})
    assert (found["product"][0] == 0).all()
    for activation, product in zip(found["activation"], found["product"], strict=True):
        largest = max(np.abs(activation).max(), LOWEST.get(before, 0.0))
        np.testing.assert_allclose(product, activation @ weights, atol=0.05 * largest + 1e-12)
