"""Bundles of families whose export takes seconds, on graphs of two or three nodes that are written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from bundles import CREATED, sentences, tiny_tokenizer
from graphs import as_model
from onnx import TensorProto, helper

from ftcore_export.bundle_writer import BundleSource, VariantSource, write_bundle
from ftcore_runtime.encoding import EncoderConfig

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_WINDOWS = {"stride": 4, "max_question_length": 32}
#: Task -> its family, its decoder, and the outputs of its graph with the size of their last axis (0 of a token's one).
_KINDS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, int]]] = {
    "qa": (
        "span_extraction",
        {"name": "span_extraction", "windows": _WINDOWS, "max_answer_length": 30, "null_threshold": None},
        {"start_logits": 0, "end_logits": 0},
    ),
    "ner": (
        "token_classification",
        {"name": "token_classification", "labels": ["person", "place"], "stride": 4},
        {"logits": 5},
    ),
    "intent": (
        "intent_classification",
        {"name": "intent_classification", "labels": ["refund", "cancel", "status"], "method": "probability",
         "threshold": 0.1},
        {"logits": -3},
    ),
    "similarity": (
        "sequence_classification",
        {"name": "sequence_classification", "problem": "regression", "labels": [], "threshold": 0.5,
         "polarity": None, "pair": True},
        {"logits": -1},
    ),
}  # fmt: skip


def hand_made_bundle(task: str, folder: Path) -> Path:
    """A bundle of this task, in a new folder; what it answers means nothing."""
    family, decoder, outputs = _KINDS[task]
    folder.parent.mkdir(parents=True, exist_ok=True)
    graph, tokenizer = folder.parent / f"{task}.onnx", folder.parent / f"{task}.tokenizer.json"
    onnx.save(as_model(_graph(outputs)), graph)
    tiny_tokenizer().save(str(tokenizer))
    source = BundleSource(
        name=task,
        task=task,
        family=family,
        encoder_config=EncoderConfig(48, 0, "right", _INPUTS),
        tokenizer_path=tokenizer,
        decoder=dict(decoder),
        variants={"fp32": VariantSource({"model": graph})},
        default_variant="fp32",
        metrics={},
        provenance={"base_model": "made by hand"},
        golden=_golden(task),
        created=CREATED,
    )
    return write_bundle(folder, source)


def _golden(task: str) -> Sequence[Any]:
    texts = sentences(4)
    if task == "qa":
        return [{"question": texts[0], "context": texts[1]}]
    return [{"text": texts[0], "text_pair": texts[1]}] if task == "similarity" else texts[:2]


def _graph(outputs: Mapping[str, int]) -> onnx.GraphProto:
    """Ids as numbers: of each token one or several, or the mean of a text's, times -1, -2, ... to part labels."""
    nodes = [helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT)]
    constants, shapes = [], []
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [-1 if max(outputs.values()) else 1])
    for name, size in outputs.items():
        if size == 0:
            nodes.append(helper.make_node("Identity", ["ids"], [name]))
            shapes.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "seq"]))
            continue
        factors = [-0.01 * (place + 1) for place in range(abs(size))]
        constants.append(helper.make_tensor("factors", TensorProto.FLOAT, [abs(size)], factors))
        if size > 0:
            nodes.append(helper.make_node("Unsqueeze", ["ids", "axes"], ["wide"]))
        else:
            nodes.append(helper.make_node("ReduceMean", ["ids", "axes"], ["wide"], keepdims=1))
        constants.append(axes)
        nodes.append(helper.make_node("Mul", ["wide", "factors"], [name]))
        shape = ["batch", "seq", size] if size > 0 else ["batch", -size]
        shapes.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"]) for name in _INPUTS]
    return helper.make_graph(nodes, "hand made", inputs, shapes, initializer=constants)
