import contextlib
import time
from pathlib import Path

import onnx
import pytest
from bundles import Tiny
from graph_fuzz import campaign
from graph_items import GROUP, VARINT, Item, encode, integer, node, tensor, text
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


def test_graphs_within_the_graph_are_refused() -> None:
    inner = helper.make_graph([helper.make_node("Constant", [], ["z"], value_float=1.0)], "inner", [], [])
    for operator in ("If", "Loop", "Scan", "SequenceMap"):
        refused(model(helper.make_node(operator, ["x"], ["y"], body=inner)), "may never end")
        refused(model(helper.make_node(operator, ["x"], ["y"], bodies=[inner])), "may never end")
        refused(model(helper.make_node(operator, ["x"], ["y"])), f"the operator '{operator}'")


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
    refused(model(helper.make_node("Constant", [], ["y"], values=[outside("w")])), "its own weights")
    for location in (1, 2):
        made = model(helper.make_node("Relu", ["x"], ["y"]))
        # Only that it lies elsewhere (1), or what some parser may take for that.
        made.graph.initializer.add().MergeFromString(bytes([14 << 3, location]))
        refused(made, "its own weights|no ONNX graph")
    sparse = onnx.SparseTensorProto(values=outside("v"), indices=outside("i"), dims=[1])
    made = model(helper.make_node("Relu", ["x"], ["y"]))
    made.graph.sparse_initializer.append(sparse)
    refused(made, "field of number 15")


def test_functions_are_refused() -> None:
    made = model(helper.make_node("Relu", ["x"], ["y"]))
    made.functions.add(name="f", domain="")
    refused(made, "functions")


RELU = [Item(7, [node("Relu", ["x"], ["y"]), text(2, "g")]), Item(8, [text(1, ""), integer(2, 21)])]


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (Item(7, [node("Relu", ["x"], ["y"], domain="evil")]), "field 7 comes twice"),
        (Item(7, [node("Relu", ["x"], ["y"], domain="evil")], above=1), "more than 32 bits"),
        (Item(2, b"x", longer=(1, 0)), "not in its shortest form"),
        (Item(2, b"x", longer=(0, 1)), "not in its shortest form"),
        (Item(2, b"\xff"), "utf-8"),
        (Item(2, [], GROUP), "a group"),
        (Item(2, 1, VARINT), "field 2 is of another type"),
        (Item(1, b"1"), "field 1 is of another type"),
        (Item(99, b"1"), "field of number 99"),
        (Item(0, b"1"), "field of number 0"),
        (Item(2**29 - 1, b"1"), "which is not known"),
        (Item(2, b"1", wire=6), "a type that is not known"),
    ],
)
def test_what_parsers_read_differently_is_refused(extra: Item, says: str) -> None:
    check_graph(encode(RELU), "m")
    with pytest.raises(BundleError, match=f"no ONNX graph: .*{says}"):
        check_graph(encode([*RELU, extra]), "m")


def test_a_number_of_more_bits_than_it_is_read_with_is_refused() -> None:
    """onnxruntime keeps the lower 32 bits of where the weights lie: 1 is a file."""
    weights = [*tensor("w", [1], [0.0]), integer(14, 2**32 + 1)]
    made = [Item(7, [*RELU[0].value, Item(5, weights)]), RELU[1]]
    with pytest.raises(BundleError, match="out of range"):
        check_graph(encode(made), "m")


def test_onnxruntimes_own_format_is_refused_although_the_bytes_are_a_graph() -> None:
    with pytest.raises(BundleError, match="onnxruntime's own format"):
        check_graph(encode([Item(2, b"\x01\x00ORTM"), *RELU]), "m")


def test_checker_and_runtime_read_mutants_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    counts = campaign(range(300), tmp_path)
    assert not counts.wrong
    assert counts.loaded >= 10
    assert counts.refused_but_loaded >= 50, "what the checker refuses is what the runtime would load"
    lenient = campaign(range(300), tmp_path, lambda data, where: None)
    assert lenient.wrong, "a checker that lets everything pass is caught"


@pytest.mark.slow
def test_five_thousand_mutants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    counts = campaign(range(1000, 6000), tmp_path)
    print(counts)
    assert not counts.wrong


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x3a\xff", b"\xff" * 20, b"\x3f", b"\x38\x01", b"\x3a\x02\x0a\x7f"]
)
def test_what_is_no_protobuf_is_no_graph(data: bytes) -> None:
    with pytest.raises(BundleError, match="no ONNX graph"):
        check_graph(data, "m")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_graph_cut_or_changed_anywhere_is_refused_or_read(data: st.DataObject) -> None:
    whole = model(helper.make_node("Constant", [], ["y"], value_float=1.0)).SerializeToString()
    changed = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3)) if changed else 0):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BundleError):
        check_graph(bytes(changed), "m")
