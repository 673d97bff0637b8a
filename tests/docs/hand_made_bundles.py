"""Bundles of families whose export takes seconds, on graphs of two or three nodes that are written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from bundles import CREATED, sentences, tiny_tokenizer
from graphs import as_model
from onnx import TensorProto, helper

from ftcore_export.bundle_writer import BundleSource, VariantSource, write_bundle
from ftcore_runtime.encoding import EncoderConfig

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class _Output:
    """The ids of the tokens, or their mean over the text, times each factor.

    Args:
        factors: size of the last axis; without any, the ids of the tokens themselves.
        by_token: one for each token, else one for the text.
    """

    name: str
    factors: Sequence[float] = ()
    by_token: bool = True

    def nodes(self) -> Iterator[onnx.NodeProto]:
        """From `ids`, float [batch, seq]."""
        if not self.factors:
            yield helper.make_node("Identity", ["ids"], [self.name])
            return
        if self.by_token:
            yield helper.make_node("Unsqueeze", ["ids", "last"], ["wide"])
        else:
            yield helper.make_node("ReduceMean", ["ids", "last"], ["wide"], keepdims=1)
        yield helper.make_node("Mul", ["wide", "factors"], [self.name])

    @property
    def shape(self) -> list[str | int]:
        """Its axes."""
        axes: list[str | int] = ["batch", "seq"] if self.by_token else ["batch"]
        return [*axes, len(self.factors)] if self.factors else axes


@dataclass(frozen=True)
class _Kind:
    """What makes up a bundle of a task."""

    family: str
    outputs: Sequence[_Output]
    settings: Mapping[str, Any]
    golden: Sequence[Any]


_TEXTS = sentences(2)
_KINDS = {
    "qa": _Kind(
        "span_extraction",
        [_Output("start_logits"), _Output("end_logits")],
        {
            "windows": {"stride": 4, "max_question_length": 32},
            "max_answer_length": 30,
            "null_threshold": None,
        },
        [{"question": _TEXTS[0], "context": _TEXTS[1]}],
    ),
    "ner": _Kind(
        "token_classification",
        [_Output("logits", (0.0, 0.05, 0.01, 0.04, 0.02))],
        {"labels": ["person", "place"], "stride": 4},
        _TEXTS,
    ),
    "intent": _Kind(
        "intent_classification",
        [_Output("logits", (-0.01, -0.02, -0.03), by_token=False)],
        {"labels": ["refund", "cancel", "status"], "method": "probability", "threshold": 0.1},
        _TEXTS,
    ),
    "similarity": _Kind(
        "sequence_classification",
        [_Output("logits", (-0.01,), by_token=False)],
        {"problem": "regression", "labels": [], "threshold": 0.5, "polarity": None, "pair": True},
        [{"text": _TEXTS[0], "text_pair": _TEXTS[1]}],
    ),
}


def hand_made_bundle(task: str, folder: Path) -> Path:
    """A bundle of this task, in a new folder; what it answers means nothing."""
    kind = _KINDS[task]
    folder.parent.mkdir(parents=True, exist_ok=True)
    graph, tokenizer = folder.parent / f"{task}.onnx", folder.parent / f"{task}.tokenizer.json"
    onnx.save(as_model(_graph(kind.outputs)), graph)
    tiny_tokenizer().save(str(tokenizer))
    source = BundleSource(
        name=task,
        task=task,
        family=kind.family,
        encoder_config=EncoderConfig(48, 0, "right", _INPUTS),
        tokenizer_path=tokenizer,
        decoder={"name": kind.family, **kind.settings},
        variants={"fp32": VariantSource({"model": graph})},
        default_variant="fp32",
        metrics={},
        provenance={"base_model": "made by hand"},
        golden=kind.golden,
        created=CREATED,
    )
    return write_bundle(folder, source)


def _graph(outputs: Sequence[_Output]) -> onnx.GraphProto:
    """One that reads the ids alone; a graph has factors once at most."""
    constants = [helper.make_tensor("last", TensorProto.INT64, [1], [-1])]
    for output in outputs:
        if output.factors:
            size = len(output.factors)
            constants.append(helper.make_tensor("factors", TensorProto.FLOAT, [size], output.factors))
    return helper.make_graph(
        [
            helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
            *(node for output in outputs for node in output.nodes()),
        ],
        "hand made",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"]) for name in _INPUTS],
        [helper.make_tensor_value_info(one.name, TensorProto.FLOAT, one.shape) for one in outputs],
        initializer=constants,
    )
