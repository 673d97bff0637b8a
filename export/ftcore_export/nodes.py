"""What passes over ONNX graphs read off their nodes and tensors."""

from __future__ import annotations

import onnx
from onnx import NodeProto, TensorProto, helper


def axes_of(value: onnx.ValueInfoProto) -> tuple[str | int, ...]:
    """Sizes of a tensor's axes; a dynamic one is a name, one that is not known is 0."""
    return tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)


def is_matrix(tensor: TensorProto) -> bool:
    """Whether a constant has rows and columns of float32."""
    return len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT


def read_attribute(node: NodeProto, name: str) -> object:
    """An attribute's value; None where it is left to its default."""
    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), None)


def is_plain_gemm(node: NodeProto) -> bool:
    """Whether a Gemm multiplies and adds, and does no more."""
    factors = (read_attribute(node, "alpha"), read_attribute(node, "beta"))
    return not read_attribute(node, "transA") and all(factor in (None, 1.0) for factor in factors)
