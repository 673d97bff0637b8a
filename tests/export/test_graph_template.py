"""Graphs kept without their weights: the next model of one architecture is not traced, and answers as torch does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import transformers
from graphs import as_model
from onnx import helper

from ftcore.families.encoder_graph import encoder_graph
from ftcore_export import onnx_graph
from ftcore_export.graph import Graph
from ftcore_export.graph_key import graph_key
from ftcore_export.graph_template import fill
from ftcore_export.onnx_graph import export_graph
from ftcore_runtime.session import GraphSession


class Product(torch.nn.Module):
    """A product with one weight, and with its transpose where `tied`."""

    def __init__(self, tied: bool = False, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(3, 3))
        self.tied, self.scale = tied, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = x @ self.weight
        return made @ self.weight.T if self.tied else made * self.scale


class Folded(Product):
    """What the exporter computes once and for all from a weight."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ (self.weight + 1)


def graph(module: torch.nn.Module) -> Graph:
    return Graph("model", module, {"x": torch.tensor([[1.0, 2.0, 3.0]])}, ["y"], {"x": {0: "batch"}})


def answers(path: Path) -> np.ndarray:
    session = GraphSession(path.read_bytes(), path.name, outputs=["y"])
    return session.run({"x": np.array([[1.0, 2.0, 3.0]], np.float32)})["y"]


@pytest.fixture(scope="module")
def known() -> dict[Any, onnx.ModelProto]:
    """Traced modules with their weights -> graphs: a module and weights that were met before are not traced again."""
    return {}


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch, known: dict[Any, onnx.ModelProto]) -> list[Graph]:
    """The graphs that were traced."""
    seen: list[Graph] = []
    trace = onnx_graph._trace

    def counted(one: Graph) -> onnx.ModelProto:
        seen.append(one)
        weights = tuple(weight.detach().numpy().tobytes() for weight in one.module.parameters())
        key = graph_key(one), weights
        if key not in known:
            known[key] = trace(one)
        return copy.deepcopy(known[key])

    monkeypatch.setattr(onnx_graph, "_trace", counted)
    return seen


@pytest.mark.parametrize("make", [Product, lambda: Product(tied=True)])
def test_the_second_model_is_not_traced(
    tmp_path: Path, traced: list[Graph], make: Callable[[], torch.nn.Module]
) -> None:
    for number in range(3):
        one = graph(make())
        before = {name: weight.clone() for name, weight in one.module.named_parameters()}
        path = export_graph(one, tmp_path / f"{number}.onnx", tmp_path / "graphs")
        assert all(torch.equal(before[name], weight) for name, weight in one.module.named_parameters())
        np.testing.assert_allclose(answers(path), one.answers()[0].numpy(), rtol=1e-5)
    assert len(traced) == 1


def test_a_template_has_no_weights_and_does_not_change_the_bytes(tmp_path: Path) -> None:
    one = graph(torch.nn.Linear(300, 300))
    one = Graph("model", one.module, {"input": torch.ones(1, 300)}, ["y"], {"input": {0: "batch"}})
    first, second = (
        export_graph(one, tmp_path / f"{number}.onnx", tmp_path / "graphs").read_bytes() for number in (1, 2)
    )
    assert first == second
    (kept,) = (tmp_path / "graphs").iterdir()
    assert kept.stat().st_size < 5_000 < 300 * 300 * 4 < len(first)


def test_what_the_exporter_computes_from_weights_is_traced_each_time(
    tmp_path: Path, traced: list[Graph]
) -> None:
    for traces in (2, 3):  # in vain for a template, once
        one = graph(Folded())
        path = export_graph(one, tmp_path / f"{traces}.onnx", tmp_path / "graphs")
        np.testing.assert_allclose(answers(path), one.answers()[0].numpy(), rtol=1e-5)
        assert len(traced) == traces
    assert not list((tmp_path / "graphs").glob("*.graph"))


@pytest.mark.parametrize("damage", [b"", b"no graph"])
def test_a_damaged_template_is_made_anew(tmp_path: Path, traced: list[Graph], damage: bytes) -> None:
    export_graph(graph(Product()), tmp_path / "a.onnx", tmp_path / "graphs")
    (kept,) = (tmp_path / "graphs").iterdir()
    kept.write_bytes(damage)
    one = graph(Product())
    path = export_graph(one, tmp_path / "b.onnx", tmp_path / "graphs")
    np.testing.assert_allclose(answers(path), one.answers()[0].numpy(), rtol=1e-5)
    assert len(traced) == 2


class Classifier(torch.nn.Module):
    """Logits of a text's tokens."""

    def __init__(self, labels: int, pieces: int) -> None:
        super().__init__()
        self.embed, self.head = torch.nn.Embedding(pieces, 8), torch.nn.Linear(8, labels)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(ids))


def test_another_number_of_labels_and_of_pieces_is_not_traced(tmp_path: Path, traced: list[Graph]) -> None:
    draw = np.random.default_rng(0)
    for labels, pieces in ((3, 40), (1, 40), (7, 25)):
        module = Classifier(labels, pieces)
        dynamic = {"ids": {0: "batch", 1: "sequence"}}
        one = Graph("model", module, {"ids": torch.ones((2, 8), dtype=torch.long)}, ["y"], dynamic)
        path = export_graph(one, tmp_path / "model.onnx", tmp_path / "graphs")
        ids = draw.integers(0, pieces, (5, 11))
        found = GraphSession(path.read_bytes(), path.name, outputs=["y"]).run({"ids": ids})["y"]
        assert found.shape == (5, 11, labels)
        np.testing.assert_allclose(found, module(torch.from_numpy(ids)).detach().numpy(), atol=1e-5)
    assert len(traced) == 1
    whole = export_graph(one, tmp_path / "whole.onnx")
    assert path.read_bytes() == whole.read_bytes(), "to the byte what a trace of this model gives"


def test_what_the_graph_depends_on_is_in_the_key() -> None:
    def key(module: torch.nn.Module, **changed: object) -> str | None:
        return graph_key(Graph(**{**vars(graph(module)), **changed}))

    same = key(Product())
    assert same is not None
    assert key(Product()) == same, "whatever the weights"
    assert key(Product(scale=2.0)) != same
    assert key(Folded()) != same, "another class"
    assert key(Product(), dynamic={}) != same
    assert key(Product(), example={"x": torch.ones(2, 3)}) != same
    buffered = [Product(), Product()]
    for number, module in enumerate(buffered):
        module.register_buffer("offset", torch.tensor([float(number)]))
    assert key(buffered[0]) != key(buffered[1]), "what is no weight stays in the graph"


def test_what_no_key_can_describe_has_none() -> None:
    patched, hooked = Product(), Product()
    patched.forward = lambda x: x  # type: ignore[method-assign]
    hooked.register_forward_hook(lambda *_: None)
    assert graph_key(graph(patched)) is None
    assert graph_key(graph(hooked)) is None


@pytest.mark.parametrize(
    "kind", ["bert", "roberta", "distilbert", "xlm-roberta", "electra", "mpnet", "albert"]
)
def test_models_of_transformers_have_a_key_that_names_of_labels_leave_alone(kind: str) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}
    if kind == "distilbert":
        sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16, "vocab_size": 50}

    def key(attention: str, names: dict[int, str], pieces: int = 50) -> str | None:
        config = transformers.AutoConfig.for_model(
            kind, num_labels=len(names), **{**sizes, "vocab_size": pieces}
        )
        config.id2label = names
        model = transformers.AutoModelForSequenceClassification.from_config(config)
        model.set_attn_implementation(attention)
        ids = {name: torch.ones((2, 8), dtype=torch.long) for name in ("input_ids", "attention_mask")}
        return graph_key(Graph("model", model.eval(), ids, ["logits"], {}))

    eager = key("eager", {0: "a", 1: "b"})
    assert eager is not None
    assert key("eager", {0: "x", 1: "y"}) == eager
    assert key("eager", {0: "x", 1: "y", 2: "z"}, pieces=60) == eager, "how many there are neither"
    if kind not in ("mpnet",):  # it has one kind of attention
        assert key("sdpa", {0: "a", 1: "b"}) != eager


def test_the_folder_that_a_model_was_loaded_from_leaves_the_key_alone(tmp_path: Path) -> None:
    """Every run has a folder of its own; a key with its path would never be met again."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}
    made = transformers.BertForSequenceClassification(transformers.BertConfig(**sizes))
    ids = {name: torch.ones((2, 8), dtype=torch.long) for name in ("input_ids", "attention_mask")}
    keys = []
    for run, problem in (("one", "single_label_classification"), ("other", "multi_label_classification")):
        made.config.problem_type = problem
        made.save_pretrained(tmp_path / run)
        loaded = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / run)
        keys.append(graph_key(Graph("model", loaded.eval(), ids, ["logits"], {})))
    assert keys[0] == keys[1] is not None


def test_a_graph_that_fails_on_the_example_is_no_template() -> None:
    numbers = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", None]) for name in "xy"]
    fifth = helper.make_tensor("fifth", onnx.TensorProto.INT64, [1], [5])
    read = helper.make_node("Gather", ["x", "fifth"], ["y"], axis=1)
    template = as_model(helper.make_graph([read], "model", numbers[:1], numbers[1:], [fifth]))
    helper.set_model_props(template, {"ftcore.weights": "{}"})
    assert fill(template, graph(Product())) is None


def test_a_model_that_reads_a_text_at_its_end_mark_finds_one_in_the_example() -> None:
    config = transformers.BartConfig(
        vocab_size=20,
        d_model=8,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        max_position_embeddings=16,
        num_labels=3,
    )
    model = transformers.BartForSequenceClassification(config).eval()
    encoder: Any = SimpleNamespace(config=SimpleNamespace(inputs=("input_ids", "attention_mask")))
    (logits,) = encoder_graph(model, encoder, ["logits"]).answers()
    assert logits.shape == (2, 3)
