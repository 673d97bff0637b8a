"""The kinds of graph that a bundle may hold, each made from the fp32 one, and what each is good for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from ftcore_export.exporter.quantize import MICROSOFT, quantize_int8, quantize_tables, save

_BLOCK = 32  # weights that share a scale in `weights8`


def quantize_by_tensor(src: Path, dst: Path) -> Path:
    """int8 with a scale for all rows of an activation: faster, and batch-mates change each other's answers."""
    return quantize_int8(src, dst, by_row=False)


def quantize_weights(src: Path, dst: Path) -> Path:
    """Weights in 8 bits, a scale for every 32 of them; activations and arithmetic stay float32."""
    model = onnx.load(src)
    quantize_tables(model)
    model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    with _unchanged("", "onnxruntime.quantization.matmul_nbits_quantizer") as loggers:
        # To import it sets up the root logger for every library to talk to the terminal.
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        loggers[-1].setLevel(logging.WARNING)  # it says a line for every operator
        quantizer = MatMulNBitsQuantizer(model, bits=8, block_size=_BLOCK, is_symmetric=True)
        quantizer.process()
    return save(quantizer.model.model, dst)


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


def to_float16(src: Path, dst: Path) -> Path:
    """Weights and arithmetic in float16; inputs and outputs keep their types."""
    return save(convert_float_to_float16(onnx.load(src), keep_io_types=True), dst)


def copy(src: Path, dst: Path) -> Path:
    """The fp32 graph itself."""
    dst.write_bytes(src.read_bytes())
    return dst


#: Kind of graph -> what writes it: (fp32 graph, destination) -> destination.
#: `int8_mixed` is not here: which operators stay in float is found by measurement.
KINDS: Mapping[str, Callable[[Path, Path], Path]] = {
    "fp32": copy,
    "int8": quantize_int8,
    "int8_tensor": quantize_by_tensor,
    "weights8": quantize_weights,
    "fp16": to_float16,
}

#: What `variants: auto` leaves out, and why.
LEFT_OUT: Mapping[str, str] = {
    "fp16": "the bundle's runtime computes on the CPU, where onnxruntime turns float16 back into float32",
    "bf16": "onnxruntime's CPU provider loads no bfloat16 graph",
}
