import logging

import numpy as np
import onnx
import pytest
import torch
from bundles import INPUTS, Tiny
from graph_cache import forget_operators

from ftcore_export.graph import Graph
from ftcore_export.onnx_graph import export_graph, strip
from ftcore_runtime.errors import UserError
from ftcore_runtime.session import GraphSession


def random_batch(batch: int, length: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(length)
    lengths = draw.integers(1, length + 1, batch)
    lengths[0] = length
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    ids = draw.integers(1, 40, (batch, length)) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("length", [3, 64, 257])
def test_equals_torch_at_shapes_never_seen_at_export(tiny: Tiny, batch: int, length: int) -> None:
    session = GraphSession(tiny.fp32.read_bytes(), "model", inputs=INPUTS, outputs=["logits"])
    inputs = random_batch(batch, length)
    got = session.run(inputs)["logits"]
    assert got.shape == (batch, 3)
    np.testing.assert_allclose(got, tiny.logits(inputs), atol=1e-5, rtol=1e-5)


def test_says_nothing_of_the_machine_and_needs_no_other_file(tiny: Tiny) -> None:
    for path in (tiny.fp32, tiny.int8):
        data = path.read_bytes()
        assert b"site-packages" not in data
        assert b".py" not in data
        model = onnx.load_from_string(data)
        assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
        assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_opset_and_names(tiny: Tiny) -> None:
    model = onnx.load(tiny.fp32)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 21)]
    assert [node.name for node in model.graph.input] == list(INPUTS)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param for dim in dims] == ["batch", "seq"]


class Linear(torch.nn.Module):
    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def linear_graph(weight: torch.Tensor) -> Graph:
    return Graph("model", Linear(weight), {"x": torch.ones(2, 3)}, ["y"], {"x": {0: "batch"}})


def test_equal_weights_give_equal_bytes(tmp_path) -> None:
    first = export_graph(linear_graph(torch.eye(3)), tmp_path / "a.onnx").read_bytes()
    assert export_graph(linear_graph(torch.eye(3)), tmp_path / "b.onnx").read_bytes() == first
    assert export_graph(linear_graph(2 * torch.eye(3)), tmp_path / "c.onnx").read_bytes() != first


def test_is_quiet(tmp_path, capfd, caplog) -> None:
    forget_operators()  # what is said while they are registered is said once
    export_graph(linear_graph(torch.eye(3)), tmp_path / "a.onnx")
    captured = capfd.readouterr()
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (captured.out, captured.err, warned) == ("", "", [])


def test_a_model_too_large_for_one_file_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="GiB"):
        export_graph(linear_graph(torch.empty(2**29, 3, device="meta")), tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_strip_finds_a_path_that_it_cannot_remove() -> None:
    node = onnx.helper.make_node("Identity", ["x"], ["y"], name="/home/someone/model.py:12")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], "g", [value("x", onnx.TensorProto.FLOAT, [1])], [value("y", onnx.TensorProto.FLOAT, [1])]
    )
    with pytest.raises(RuntimeError, match="local path"):
        strip(onnx.helper.make_model(graph))
