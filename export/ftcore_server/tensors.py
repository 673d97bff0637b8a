"""Tensors of the Open Inference Protocol v2, as JSON and as the binary extension that Triton's clients send."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ftcore_runtime.answers import Answer
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.tensors import NUMBERS, Tensor
from ftcore_server.problems import invalid
from ftcore_server.rendering import json_bytes

HEADER_LENGTH = "inference-header-content-length"

_AT_ONCE = 256  # values of a piece of JSON


def read_texts(tensor: object, binary: bytes | None) -> list[str]:
    """The texts of an input tensor: BYTES of shape [n] or [n, 1].

    Args:
        binary: its data where it follows the JSON.

    Raises:
        Problem: 400.
    """
    if not isinstance(tensor, Mapping):
        raise invalid("inputs: expected objects")
    if tensor.get("datatype") != "BYTES":
        raise invalid("inputs: datatype must be BYTES")
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise invalid("inputs: shape must be a list of sizes")
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        raise invalid("inputs: shape must be [n] or [n, 1]")
    texts = _flat(tensor.get("data")) if binary is None else _split(binary)
    if len(texts) != shape[0]:
        raise invalid(f"inputs: {len(texts)} texts do not fit the shape")
    return texts


def binary_size(tensor: object) -> int | None:
    """Bytes of a tensor that follow the JSON; None where its data is in the JSON.

    Raises:
        Problem: 400.
    """
    parameters = tensor.get("parameters") if isinstance(tensor, Mapping) else None
    if not isinstance(parameters, Mapping) or "binary_data_size" not in parameters:
        return None
    size = parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        raise invalid("inputs: binary_data_size must be a number of bytes")
    return size


def output_tensors(answers: Sequence[Answer], labels: Sequence[str]) -> list[Tensor]:
    """Every output of some answers of one kind; `answer`, the whole as JSON, is there whatever the task."""
    whole = [json.dumps(answer.to_json(), ensure_ascii=False) for answer in answers]
    made = [Tensor.of_texts("answer", whole)]
    return made + type(answers[0]).tensors(answers, labels) if answers else made


def tensor_head(tensor: Tensor) -> dict[str, Any]:
    """The fields that do not depend on how the data is sent."""
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def tensor_json(tensor: Tensor) -> Iterator[bytes]:
    """The data as flat JSON without its brackets, in pieces."""
    flat = tensor.values.ravel().tolist() if isinstance(tensor.values, np.ndarray) else tensor.values
    for start in range(0, len(flat), _AT_ONCE):
        yield b"," * (start > 0) + json_bytes(flat[start : start + _AT_ONCE])[1:-1]


def tensor_bytes(tensor: Tensor) -> bytes:
    """The data as the binary extension has it: texts as UTF-8, each after its length as 4 bytes."""
    if isinstance(tensor.values, np.ndarray):
        return np.ascontiguousarray(tensor.values, NUMBERS[tensor.datatype]).tobytes()
    encoded = [text.encode() for text in tensor.values]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


def describe_outputs(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The outputs of the metadata, made from an answer."""
    sample = pipeline.predict([dict.fromkeys(pipeline.fields[: pipeline.required], "a")])
    return [
        {"name": tensor.name, "datatype": tensor.datatype, "shape": [-1, *tensor.dims]}
        for tensor in output_tensors(sample, pipeline.labels)
    ]


def _flat(data: object) -> list[str]:
    if not isinstance(data, list):
        raise invalid("inputs: data is missing")
    items = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in data]
    if not all(isinstance(item, str) for item in items):
        raise invalid("inputs: data must be texts")
    return items


def _split(data: bytes) -> list[str]:
    texts, offset = [], 0
    while offset < len(data):
        if offset + 4 > len(data):
            raise invalid("inputs: the binary data is cut short")
        (size,) = struct.unpack_from("<I", data, offset)
        offset += 4
        if offset + size > len(data):
            raise invalid("inputs: the binary data is cut short")
        try:
            texts.append(data[offset : offset + size].decode())
        except UnicodeDecodeError:
            raise invalid("inputs: a text is not UTF-8") from None
        offset += size
    return texts
