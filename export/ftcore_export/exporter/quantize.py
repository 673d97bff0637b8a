"""An ONNX graph in int8: smaller by a factor of four, and faster on the CPU."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from ftcore_export.exporter.onnx_graph import strip

#: Gather is the embedding table: half of a small encoder's bytes.
QUANTIZED_OPERATORS = ("MatMul", "Gemm", "Gather")


def quantize_int8(src: str | Path, dst: str | Path) -> Path:
    """Write the graph `src` to `dst` with int8 weights; activations are quantised as they come, per tensor.

    Weights of matrix products are signed, with one scale a channel; embedding tables unsigned, with one scale
    a table. Measured on MiniLM-L6 (512 tweets, a head drawn at random; drift in standard deviations of a
    logit, mean over rows and labels):

        operators               bytes      drift    answers that change
        MatMul, Gemm            58.7 MB    0.132    39
        + Gather                23.0 MB    0.137    38
        + Gather, 7-bit range   23.0 MB    0.126    26

    So the tables go along, and matrices keep to 7 bits: without VNNI, x86 adds pairs of 8-bit products in 16
    bits, which saturates on 8-bit weights, and the same bundle would answer differently on older machines.
    """
    model = onnx.load(src)
    add_pre_process_metadata(model)  # true of what `export_graph` writes: shapes inferred, constants folded
    quantize_dynamic(
        model,
        Path(dst),
        op_types_to_quantize=list(QUANTIZED_OPERATORS),
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    quantized = onnx.load(dst)
    strip(quantized)
    onnx.checker.check_model(quantized)
    Path(dst).write_bytes(quantized.SerializeToString(deterministic=True))
    return Path(dst)
