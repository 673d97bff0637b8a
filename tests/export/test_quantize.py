import logging

import numpy as np
import onnx
from bundles import INPUTS, Tiny, sentences

from ftcore_export.exporter.quantize import quantize_int8
from ftcore_export.runtime.session import GraphSession


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


def test_matrices_are_signed_and_keep_to_seven_bits_and_tables_go_along(tiny: Tiny) -> None:
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(tiny.int8).graph.initializer]
    kinds = {tensor.dtype.name for tensor in tensors if tensor.ndim == 2}
    assert kinds == {"int8", "uint8", "int64"}  # matrices, tables, position ids: no float32 is left
    matrices = [tensor for tensor in tensors if tensor.ndim == 2 and tensor.dtype == np.int8]
    assert len(matrices) == 14  # six in each of two layers, pooler and classifier
    assert all(tensor.min() >= -64 and tensor.max() <= 64 for tensor in matrices)


def test_is_quiet_and_deterministic(tiny: Tiny, tmp_path, capfd, caplog) -> None:
    assert quantize_int8(tiny.fp32, tmp_path / "again.onnx").read_bytes() == tiny.int8.read_bytes()
    captured = capfd.readouterr()
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (captured.out, captured.err, warned) == ("", "", [])
