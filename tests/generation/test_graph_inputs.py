"""What a decoder's graph is given: those of bundles from before, and those whose positions cannot be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ftcore_runtime.generation.graphs import GraphEncoderDecoder
from ftcore_runtime.generation.names import HIDDEN

CACHES = {f"{kind}_0_{part}": ["rows", 2, kind, 3] for kind in ("cross", "past") for part in ("key", "value")}
BEFORE = {"input_ids": ["rows", "tokens"], "attention_mask": ["rows", "source"], **CACHES}
FIXED = {
    "input_ids": ["rows", "tokens"],
    "source_bias": ["rows", 1, 1, "source"],
    "target_bias": [1, 1, "tokens", "all_tokens"],
    **CACHES,
}


class Graph:
    """A session that keeps what it is given, and gives caches of the right sizes."""

    where = "decoder.onnx"

    def __init__(self, shapes: dict[str, list[Any]]) -> None:
        self.shapes = shapes
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.given.append(dict(feeds))
        rows, tokens = feeds["input_ids"].shape
        kept = feeds["past_0_key"].shape[2] if "past_0_key" in feeds else 0
        made = np.zeros((rows, 2, kept + tokens, 3), np.float32)
        return {
            name: np.zeros((rows, tokens, 9), np.float32) if name == "logits" else made for name in outputs
        }


def given(shapes: dict[str, list[Any]]) -> tuple[GraphEncoderDecoder, list[dict[str, np.ndarray]]]:
    """The graphs after a prompt of two tokens and a step, and what the decoder was given."""
    decoder: Any = Graph(shapes)
    encoder: Any = Graph({})
    model = GraphEncoderDecoder(encoder, decoder, 1)
    source = {"input_ids": np.array([[5, 6], [7, 1]]), "attention_mask": np.array([[1, 1], [1, 0]])}
    model.start(source, np.array([[0, 4], [0, 4]]))
    model.select(np.array([1, 0, 0]))
    model.step(np.array([3, 4, 5]))
    return model, decoder.given


@pytest.mark.parametrize("shapes", [BEFORE, FIXED], ids=["of before", "positions cannot be given"])
def test_a_graph_is_given_what_it_reads(shapes: dict[str, list[Any]]) -> None:
    model, (prompt, step) = given(shapes)
    assert not model.joins
    assert list(prompt) == list(step)
    assert set(prompt) == set(shapes)
    assert step["input_ids"].tolist() == [[3], [4], [5]]
    assert step["past_0_key"].shape == (3, 2, 2, 3)


def test_what_comes_later_and_what_fills_up_is_hidden() -> None:
    _, (prompt, step) = given(FIXED)
    assert prompt["source_bias"].tolist() == [[[[0, 0]]], [[[0, HIDDEN]]]]
    assert prompt["target_bias"].tolist() == [[[[0, HIDDEN], [0, 0]]]]
    assert step["source_bias"].tolist() == [[[[0, HIDDEN]]], [[[0, 0]]], [[[0, 0]]]]
    assert step["target_bias"].tolist() == [[[[0, 0, 0]]]]
