"""The family on tiny random models of every kind: features, targets, outputs, loss, answers, graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from span_tokenizers import KINDS, TEXTS, make_model_folder

from ftcore.data.features import FeatureStore
from ftcore.errors import ModelError
from ftcore.evaluation.predict import predict
from ftcore.families.bound import BoundFamily
from ftcore.families.span_extraction import FAMILY
from ftcore.families.span_extraction.reader import FittedSpans
from ftcore.families.span_extraction.spec import SpanExtractionSpec
from ftcore.modeling.base_model import open_base, open_encoder
from ftcore_export.onnx_graph import export_graph
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.session import GraphSession

CONTEXT = " ".join(TEXTS[1:])
ANSWERS = ["1951", "😀", "光荣"]


def family_of(**model: Any) -> BoundFamily:
    spec = {
        "task": "qa",
        "data": {"train": [{"question": "q"}]},
        "model": {"base": "./x", "max_length": 64, "stride": 12, **model},
    }
    return BoundFamily(FAMILY, SpanExtractionSpec.model_validate(spec), FittedSpans())


def rows_of(family: BoundFamily) -> pa.Table:
    rows = [
        {"question": TEXTS[0], "context": CONTEXT, "answers": answer, "id": str(i)}
        for i, answer in enumerate(ANSWERS)
    ]
    rows.append({"question": "Who?", "context": "Nobody knows.", "answers": None})
    return pa.Table.from_pylist([family.reader.parse(row) for row in rows], schema=family.reader.schema)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_encoder_from_rows_to_the_same_answers_in_torch_and_onnx(
    kind: str, tmp_path: Path
) -> None:
    base = open_base(str(make_model_folder(kind, tmp_path / "base")), tmp_path)
    family = family_of()
    rows = rows_of(family)
    family = family.with_fitted(family.reader.fit(rows))
    encoder = open_encoder(base, 64)
    features = FeatureStore.build(rows, family.model, encoder, tmp_path / "features.arrow")
    model = family.model.build(base).eval()

    start, end = features.column("start"), features.column("end")
    begins, ends = features.column("begins"), features.column("ends")
    for row, answer in enumerate(ANSWERS):
        held = np.flatnonzero((features.row == row) & (start > 0))
        assert len(held), "the answer is whole in some window"
        expected = CONTEXT.index(answer)
        for window in held:
            stop = ends[window, end[window]]
            assert stop >= expected + len(answer)
            begin = begins[window, start[window]]
            assert begin in (-1, *range(expected + 1))  # -1 where another window owns it
    assert (start[features.row == len(ANSWERS)] == 0).all()

    batch = features.batch(np.arange(len(features)))
    outputs = family.model.outputs(model, batch)
    assert outputs["start_logits"].shape == batch["input_ids"].shape
    loss = family.model.loss(outputs, batch) / family.model.weight(batch)
    assert torch.isfinite(loss)
    expected = [
        torch.nn.functional.cross_entropy(outputs[name][:, : features.lengths.max()], batch[target])
        for name, target in (("start_logits", "start"), ("end_logits", "end"))
    ]
    assert loss.item() == pytest.approx(sum(x.item() for x in expected) / 2, rel=1e-5)

    measured = predict(model, family, features, batch_size=3)
    answers = family.scoring.answers(measured, features, rows)
    assert [a.text == "" or CONTEXT[a.start : a.end] == a.text for a in answers[:3]] == [True] * 3
    (graph,) = family.export.graphs(model, encoder)
    path = export_graph(graph, tmp_path / "model.onnx")
    decoder = make_decoder(family.scoring.decoder)
    session = GraphSession(
        path.read_bytes(), "model.onnx", inputs=encoder.config.inputs, outputs=decoder.outputs
    )
    prepared = decoder.prepare(family.reader.inputs(rows), encoder)
    assert prepared.row.tolist() == features.row.tolist()
    assert (prepared.places.begins == begins).all()
    served = session.run(encoder.collate(prepared.encoded))
    real = np.isfinite(measured["start_logits"])
    for name in decoder.outputs:
        np.testing.assert_allclose(served[name][real], measured[name][real], atol=1e-4)


def test_padding_never_answers(tmp_path: Path) -> None:
    base = open_base(str(make_model_folder("bert", tmp_path / "base")), tmp_path)
    family = family_of()
    rows = rows_of(family)
    features = FeatureStore.build(rows, family.model, open_encoder(base, 64), tmp_path / "features.arrow")
    outputs = predict(family.model.build(base), family, features, batch_size=100)
    for window, length in enumerate(features.lengths):
        for values in outputs.values():
            assert np.isfinite(values[window, :length]).all()
            assert np.isneginf(values[window, length:]).all()


def test_the_plan_counts_what_windows_lose(tmp_path: Path) -> None:
    base = open_base(str(make_model_folder("bert", tmp_path / "base")), tmp_path)
    family = family_of(max_length=24, stride=2)
    long = CONTEXT[5:150]
    rows = [{"question": "Who?", "context": CONTEXT, "answers": answer} for answer in (long, "1951", None)]
    table = pa.Table.from_pylist([family.reader.parse(row) for row in rows], schema=family.reader.schema)
    features = FeatureStore.build(table, family.model, open_encoder(base, 24), tmp_path / "features.arrow")
    plan = family.model.plan(table, features)
    assert plan["rows"] == 3
    assert plan["answerable"] == 2
    assert plan["whole in a window"] == 1
    assert plan["lost by windowing"] == 1
    assert plan["windows"] == len(features.row)
    assert plan["most windows of a context"] == np.bincount(features.row).max()


def test_splits_keep_a_title_and_without_one_a_context_together() -> None:
    family = family_of()
    table = pa.Table.from_pylist(
        [
            family.reader.parse({"question": "q", "context": f"c{i} x", "answers": "x", "title": title})
            for i, title in enumerate(["t", "t", None])
        ],
        schema=family.reader.schema,
    )
    assert family.reader.groups(table).to_pylist() == ["t", "t", "c2 x"]
    assert family.reader.strata(table).tolist() == [1, 1, 1]


def test_a_tokenizer_that_fills_up_at_the_left_is_refused() -> None:
    from span_tokenizers import make_tokenizer

    family = family_of()
    encoder = TextEncoder(
        make_tokenizer("bert"), EncoderConfig(64, 0, "left", ("input_ids", "attention_mask"))
    )
    with pytest.raises(ModelError, match="at the left"):
        family.model.encode(rows_of(family), encoder)


def test_state_and_decoder_keep_the_threshold() -> None:
    family = family_of()
    assert family.scoring.decoder["null_threshold"] is None
    fitted = family.reader.restore({"null_threshold": 1.25})
    assert fitted.to_json()["null_threshold"] == 1.25
    assert family.reader.restore(fitted.to_json()) == fitted
    tuned = family.with_fitted(fitted)
    assert tuned.scoring.decoder["null_threshold"] == 1.25
    assert family.scoring.decoder["null_threshold"] is None, "nothing changes a family"
    assert tuned.model.encoding_key == family.model.encoding_key
