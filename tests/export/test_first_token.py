"""What a head does not read is not computed, and what it reads stays as it was."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from bundles import Tiny
from onnx import helper, numpy_helper, parser, shape_inference

from ftcore_export.first_token import compute_first_token
from ftcore_export.nodes import axes_of

SIZE = 4


def graph_of(body: str, outputs: str) -> onnx.ModelProto:
    """A model over `x`, [batch, tokens, 4], with the constants `w`, `b`, `ones` and `zero`."""
    model = parser.parse_model(
        f"""<ir_version: 10, opset_import: ["": 21]>
        graph (float[batch, tokens, {SIZE}] x) => ({outputs})
        <float[{SIZE}, {SIZE}] w, float[{SIZE}] b, float[{SIZE}] ones, int64 zero, int64[4] split, int64[3] joined>
        {{ {body} }}"""
    )
    draw = np.random.default_rng(0)
    constants = {
        "w": draw.standard_normal((SIZE, SIZE)).astype(np.float32),
        "b": draw.standard_normal(SIZE).astype(np.float32),
        "ones": np.ones(SIZE, np.float32),
        "zero": np.array(0),
        "split": np.array([0, 0, 2, 2]),
        "joined": np.array([0, 0, SIZE]),
    }
    del model.graph.initializer[:]
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    return shape_inference.infer_shapes(model)


def sizes(model: onnx.ModelProto) -> dict[str, int | str]:
    """Entries on the second axis of each tensor."""
    axes = {value.name: axes_of(value) for value in model.graph.value_info}
    return {name: found[1] for name, found in axes.items() if len(found) > 2}


def narrowed(model: onnx.ModelProto) -> set[str]:
    """The tensors of which one token is computed; the model answers as it did."""
    x = np.random.default_rng(1).standard_normal((3, 5, SIZE)).astype(np.float32)
    before = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    all_tokens = sizes(model)
    compute_first_token(model.graph)
    onnx.checker.check_model(model, full_check=True)
    after = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-6)
    return {name for name, size in sizes(model).items() if size != all_tokens.get(name, size)}


LAYER = """
    asked = MatMul(x, w)
    split_asked = Reshape(asked, split)
    query = Transpose<perm: ints = [0, 2, 1, 3]>(split_asked)
    split_x = Reshape(x, split)
    heads = Transpose<perm: ints = [0, 2, 1, 3]>(split_x)
    turned = Transpose<perm: ints = [0, 2, 3, 1]>(split_x)
    products = MatMul(query, turned)
    shares = Softmax<axis: int = -1>(products)
    mixed = MatMul(shares, heads)
    back = Transpose<perm: ints = [0, 2, 1, 3]>(mixed)
    joined_up = Reshape(back, joined)
    sum = Add(joined_up, x)
    normed = LayerNormalization<axis: int = -1>(sum, ones, b)
    wide = MatMul(normed, w)
    rough = Add(wide, b)
    bent = Tanh(rough)
    hidden = Add(bent, normed)
    y = Gather<axis: int = 1>(hidden, zero)
    """


def test_a_layer_is_narrowed_down_to_its_query() -> None:
    model = graph_of(LAYER, f"float[batch, {SIZE}] y")
    by_token = {
        "asked",
        "split_asked",
        "back",
        "joined_up",
        "sum",
        "normed",
        "wide",
        "rough",
        "bent",
        "hidden",
    }
    assert narrowed(model) == by_token
    dims = {value.name: value.type.tensor_type.shape.dim for value in model.graph.value_info}
    assert [dims[name][2].dim_value for name in ("query", "products", "shares", "mixed")] == [1, 1, 1, 1]
    assert [dims["heads"][2].dim_param, dims["turned"][3].dim_param] == ["tokens", "tokens"]


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        (LAYER, f"float[batch, {SIZE}] y, float[batch, tokens, {SIZE}] hidden"),
        (f"{LAYER} all = ReduceSum(hidden)", f"float[batch, {SIZE}] y, float[1, 1, 1] all"),
        ("h = MatMul(x, w)\n y = Gather<axis: int = 1>(h, zero)\n z = Tanh(h)",
         f"float[batch, {SIZE}] y, float[batch, tokens, {SIZE}] z"),
    ],
    ids=["an output", "a sum over tokens", "another reader"],
)  # fmt: skip
def test_what_something_else_reads_stays_whole(body: str, outputs: str) -> None:
    model = graph_of(body, outputs)
    nodes = len(model.graph.node)
    assert narrowed(model) == set()
    assert len(model.graph.node) == nodes


def test_narrowing_ends_where_tokens_depend_on_one_another() -> None:
    body = """h = MatMul(x, w)
        run = CumSum(h, one)
        bent = Tanh(run)
        y = Gather<axis: int = 1>(bent, zero)"""
    model = graph_of(body, f"float[batch, {SIZE}] y")
    model.graph.initializer.append(numpy_helper.from_array(np.array(1), "one"))
    assert narrowed(model) == {"bent"}


def test_one_entry_for_all_tokens_stays_as_it_is() -> None:
    body = """mean = ReduceMean(x, axes)
        h = MatMul(x, w)
        z = Sub(h, mean)
        y = Gather<axis: int = 1>(z, zero)"""
    model = graph_of(body, f"float[batch, {SIZE}] y")
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axes"))
    model = shape_inference.infer_shapes(model)
    assert narrowed(model) == {"h", "z"}


def test_another_token_than_the_first_is_left_alone() -> None:
    model = graph_of("h = MatMul(x, w)\n y = Gather<axis: int = 1>(h, zero)", f"float[batch, {SIZE}] y")
    (zero,) = (tensor for tensor in model.graph.initializer if tensor.name == "zero")
    zero.CopyFrom(numpy_helper.from_array(np.array(2), "zero"))
    assert narrowed(model) == set()


def test_graphs_within_a_graph_may_read_anything_and_so_nothing_is_narrowed() -> None:
    model = graph_of(LAYER, f"float[batch, {SIZE}] y")
    inside = helper.make_graph([helper.make_node("Tanh", ["hidden"], ["z"])], "inside", [], [])
    model.graph.node.append(helper.make_node("If", ["zero"], ["z"], then_branch=inside, else_branch=inside))
    before = model.SerializeToString(deterministic=True)
    compute_first_token(model.graph)
    assert model.SerializeToString(deterministic=True) == before


def test_an_exported_model_computes_one_token_in_its_last_layer(tiny: Tiny) -> None:
    model = onnx.load(tiny.fp32)
    size = sizes(model)
    norms = [size[node.output[0]] for node in model.graph.node if node.op_type == "LayerNormalization"]
    assert norms == ["seq", "seq", "seq", 1, 1]
