import contextlib
import time

import onnx
import pytest
from bundles import Tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from ftcore_runtime.errors import BundleError
from ftcore_runtime.graph_check import check_graph


def model(*nodes: onnx.NodeProto, domains: tuple[str, ...] = ("",)) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    opsets = [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(helper.make_graph([*nodes], "g", [x], [y]), opset_imports=opsets)


def refused(made: onnx.ModelProto, match: str) -> None:
    with pytest.raises(BundleError, match=match):
        check_graph(made.SerializeToString(), "model.onnx")


def test_what_the_exporter_writes_passes_at_once(tiny: Tiny) -> None:
    for path in (tiny.fp32, tiny.int8):
        started = time.thread_time()
        check_graph(path.read_bytes(), "model.onnx")
        assert time.thread_time() - started < 1


def test_operators_of_other_domains_are_refused() -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    check_graph(model(relu).SerializeToString(), "m")
    refused(model(relu, domains=("", "evil")), "domain 'evil'")
    refused(model(helper.make_node("Relu", ["x"], ["y"], domain="ai.onnx.ml")), "domain 'ai.onnx.ml'")
    check_graph(
        model(helper.make_node("MatMulNBits", ["x"], ["y"], domain="com.microsoft")).SerializeToString(), "m"
    )
    refused(model(helper.make_node("PyOp", ["x"], ["y"], domain="com.microsoft")), "com.microsoft.PyOp")


def test_branches_are_looked_into() -> None:
    evil = helper.make_graph([helper.make_node("Do", [], ["z"], domain="evil")], "inner", [], [])
    fine = helper.make_graph([helper.make_node("Constant", [], ["z"], value_float=1.0)], "inner", [], [])
    check_graph(
        model(helper.make_node("If", ["x"], ["y"], then_branch=fine, else_branch=fine)).SerializeToString(),
        "m",
    )
    refused(model(helper.make_node("If", ["x"], ["y"], then_branch=fine, else_branch=evil)), "evil")
    deep = fine
    for _ in range(20):
        deep = helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=deep)], "inner", [], [])
    refused(model(helper.make_node("If", ["x"], ["y"], then_branch=deep)), "nested too deeply")


def outside(name: str) -> TensorProto:
    tensor = helper.make_tensor(name, TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def test_weights_elsewhere_are_refused_wherever_they_hide() -> None:
    made = model(helper.make_node("Relu", ["x"], ["y"]))
    made.graph.initializer.append(outside("w"))
    refused(made, "its own weights")
    refused(model(helper.make_node("Constant", [], ["y"], value=outside("w"))), "its own weights")
    sparse = onnx.SparseTensorProto(values=outside("v"), indices=outside("i"), dims=[1])
    made = model(helper.make_node("Relu", ["x"], ["y"]))
    made.graph.sparse_initializer.append(sparse)
    refused(made, "its own weights")


def test_functions_are_refused() -> None:
    made = model(helper.make_node("Relu", ["x"], ["y"]))
    made.functions.add(name="f", domain="")
    refused(made, "functions")


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x3a\xff", b"\xff" * 20, b"\x3f", b"\x38\x01", b"\x3a\x02\x0a\x7f"]
)
def test_what_is_no_protobuf_is_no_graph(data: bytes) -> None:
    with pytest.raises(BundleError, match="no ONNX graph"):
        check_graph(data, "m")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_graph_cut_or_changed_anywhere_is_refused_or_read(data: st.DataObject) -> None:
    fine = helper.make_graph([helper.make_node("Constant", [], ["z"], value_float=1.0)], "inner", [], [])
    whole = model(helper.make_node("If", ["x"], ["y"], then_branch=fine)).SerializeToString()
    changed = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3)) if changed else 0):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BundleError):
        check_graph(bytes(changed), "m")
