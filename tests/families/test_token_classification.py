"""The family on tiny random models of every kind: tags, loss, teachers, the same answers from rows and from texts."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from span_tokenizers import KINDS, TEXTS, make_model_folder, make_tokenizer

from ftcore.data.features import FeatureStore
from ftcore.errors import ModelError, RowError
from ftcore.evaluation.predict import predict
from ftcore.families.bound import BoundFamily
from ftcore.families.model import IGNORED
from ftcore.families.token_classification import FAMILY
from ftcore.families.token_classification.model import tag_names
from ftcore.families.token_classification.reader import FittedEntities
from ftcore.families.token_classification.spec import TokenClassificationSpec
from ftcore.modeling.base_model import BaseModel, open_base, open_encoder
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.token_classification import TokenClassificationDecoder
from ftcore_runtime.encoding import EncoderConfig, TextEncoder

LABELS = ("name", "thing")
ROWS = [
    (TEXTS[1], [("Anna Berg", "name"), ("1951", "thing"), ("12,000 copies", "thing")]),
    (TEXTS[2], [("naïve 😀", "thing"), ("combining é", "name")]),
    (
        "战国无双3 是由 ω-force 开发的，在 2009年 发行。",
        [("战国无双3", "thing"), ("ω-force", "name"), ("2009年", "thing")],
    ),
    ("Nobody.", []),
]


def family_of(training: dict[str, Any] | None = None, **model: Any) -> BoundFamily:
    spec = {
        "task": "ner",
        "data": {"train": [{"text": "t"}]},
        "model": {"base": "./x", "max_length": 24, "stride": 8, **model},
        "training": training or {},
    }
    return BoundFamily(FAMILY, TokenClassificationSpec.model_validate(spec), FittedEntities(LABELS, (3, 4)))


def rows_of(family: BoundFamily) -> pa.Table:
    parsed = []
    for text, entities in ROWS:
        spans = [[text.index(part), text.index(part) + len(part), label] for part, label in entities]
        parsed.append(family.reader.parse({"text": text, "entities": spans}))
    return pa.Table.from_pylist(parsed, schema=family.reader.schema)


def one_hot(features: FeatureStore) -> np.ndarray:
    """Logits that are sure of every tag that a token has."""
    tags = features.batch(np.arange(len(features)))["tags"].numpy()
    logits = np.zeros((*tags.shape, len(tag_names(LABELS))), np.float32)
    np.put_along_axis(logits, np.maximum(tags, 0)[..., None], 9.0, axis=2)
    return logits


@pytest.mark.parametrize("pieces", ["first", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_encoder_gives_back_the_entities_of_the_rows(
    kind: str, pieces: str, tmp_path: Path
) -> None:
    family = family_of(label_pieces=pieces)
    rows = rows_of(family)
    pad, types = KINDS[kind]
    tokenizer = make_tokenizer(kind)
    inputs = ("input_ids", "attention_mask", *(("token_type_ids",) if types else ()))
    encoder = TextEncoder(tokenizer, EncoderConfig(24, tokenizer.token_to_id(pad), "right", inputs))
    features = FeatureStore.build(rows, family.model, encoder, tmp_path / "features.arrow")
    assert len(features) > len(ROWS), "some texts have several windows"
    plan = family.model.plan(rows, features)
    assert (plan["rows"], plan["entities"], plan["not at the edges of tokens"]) == (4, 8, 0)
    answers = family.scoring.answers({"logits": one_hot(features)}, features, rows)
    assert family.scoring.score(family.reader.references(rows), answers).values["f1"] == 1.0
    assert family.scoring.correct(family.reader.references(rows), answers).all()
    prepared = make_decoder(family.scoring.decoder).prepare(family.reader.inputs(rows), encoder)
    assert prepared.row.tolist() == features.row.tolist()
    assert prepared.encoded.lengths.tolist() == features.lengths.tolist()
    assert (prepared.places.begins == features.column("begins")).all()
    counted = (features.batch(np.arange(len(features)))["tags"].numpy() != IGNORED).sum()
    words = int((features.column("begins") >= 0).sum())
    assert counted == words if pieces == "first" else counted > words


@pytest.mark.parametrize(
    ("choice", "span", "whole"),
    [
        ("auto", (0, 8), True),
        ("auto", (1, 8), False),
        ("parts", (0, 8), False),
        ("whole", (1, 8), True),
    ],
)
def test_addresses_are_whole_where_no_entity_is_within_one(
    choice: str, span: tuple[int, int], whole: bool
) -> None:
    reader = family_of(addresses=choice).reader
    row = reader.parse({"text": "@annberg is Ann", "entities": [[*span, "name"], [12, 15, "name"]]})
    fitted = reader.fit(pa.Table.from_pylist([row], schema=reader.schema))
    assert fitted.whole_addresses is whole
    assert reader.restore(fitted.to_json()) == fitted
    bound = BoundFamily(FAMILY, reader.spec, fitted)
    assert bound.scoring.decoder.get("whole_addresses", False) is whole
    decoder = make_decoder(bound.scoring.decoder)
    assert isinstance(decoder, TokenClassificationDecoder)
    assert decoder.whole_addresses is whole
    features = {"labels": ["name"], "counts": [1]}
    assert not reader.restore(features).whole_addresses, "a run of an earlier version"


def test_names_within_a_handle_are_none_where_addresses_are_whole(tmp_path: Path) -> None:
    reader = family_of(addresses="whole").reader
    row = reader.parse({"text": "Ann and @ann", "entities": [[0, 3, "name"]]})
    rows = pa.Table.from_pylist([row], schema=reader.schema)
    family = BoundFamily(FAMILY, reader.spec, FittedEntities(("name",), (1,), whole_addresses=True))
    tokenizer = make_tokenizer("bert")
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    encoder = TextEncoder(tokenizer, EncoderConfig(24, tokenizer.token_to_id("[PAD]"), "right", inputs))
    features = FeatureStore.build(rows, family.model, encoder, tmp_path / "features.arrow")
    tags = features.batch(np.arange(1))["tags"]
    assert (tags >= 0).sum() == 3, "Ann, and, @ann"
    (looked,) = family.scoring.baselines(rows, rows)["looking up the training rows' entities"]
    assert looked.marks == [(0, 3, "name")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = tmp_path_factory.mktemp("base")
    return open_base(str(make_model_folder("bert", folder / "base")), folder)


def test_the_loss_counts_the_first_token_of_each_word_once(base: BaseModel, tmp_path: Path) -> None:
    family = family_of({"label_smoothing": 0.1})
    rows = rows_of(family)
    features = FeatureStore.build(rows, family.model, open_encoder(base, 24), tmp_path / "features.arrow")
    model = family.model.build(base).eval()
    batch = features.batch(np.arange(len(features)))
    outputs = family.model.outputs(model, batch)
    assert outputs["logits"].shape == (*batch["input_ids"].shape, 5)
    assert family.model.weight(batch) == (features.column("begins") >= 0).sum()
    counted = batch["tags"] != IGNORED
    expected = torch.nn.functional.cross_entropy(
        outputs["logits"][counted], batch["tags"][counted], label_smoothing=0.1, reduction="sum"
    )
    assert family.model.loss(outputs, batch).item() == pytest.approx(expected.item(), rel=1e-5)
    assert family.model.divergence(outputs, outputs, batch).item() == pytest.approx(0, abs=1e-5)
    other = {"logits": outputs["logits"] + torch.randn_like(outputs["logits"])}
    assert family.model.divergence(outputs, other, batch).item() > 0
    padded = other["logits"].masked_fill(counted[..., None], 0)
    noisy = {"logits": outputs["logits"] + padded}
    assert family.model.distillation(noisy, outputs, batch, 2.0).item() == pytest.approx(0, abs=1e-5), (
        "others count not"
    )
    measured = predict(model, family, features, batch_size=3)["logits"]
    for window, length in enumerate(features.lengths):
        assert np.isfinite(measured[window, :length]).all()
        assert np.isneginf(measured[window, length:]).all()


def test_a_head_that_knows_the_tags_keeps_its_rows_by_name(base: BaseModel) -> None:
    theirs = copy.copy(base)
    model = family_of().model.build(base)
    config = copy.deepcopy(model.config)
    config.architectures = ["BertForTokenClassification"]
    names = tag_names(("thing", "place"))
    config.id2label = dict(enumerate(names))
    config.label2id = {name: place for place, name in config.id2label.items()}
    folder = base.folder.parent / "tagger"
    family = family_of()
    tagger = family.with_fitted(FittedEntities(("thing", "place"), (1, 1))).model.build(base)
    tagger.save_pretrained(folder)
    theirs = BaseModel(folder, config)
    ours = family.model.build(theirs)
    rows = [tag_names(LABELS).index(name) for name in ("O", "B-thing", "I-thing")]
    old = [names.index(name) for name in ("O", "B-thing", "I-thing")]
    assert torch.equal(ours.classifier.weight[rows], tagger.classifier.weight[old])
    assert "3 of 5 labels" in theirs.notes[0]
    assert ours.config.id2label == dict(enumerate(tag_names(LABELS)))
    with pytest.raises(ModelError, match="the teacher's tags are O, B-thing"):
        family.model.build_teacher(theirs)
    with pytest.raises(ModelError, match="the teacher is"):
        family.model.build_teacher(base)


def test_what_cannot_be_learnt_is_said() -> None:
    family = family_of()
    rows = rows_of(family)
    assert family.reader.fit(rows) == FittedEntities(LABELS, (3, 3), whole_addresses=True)
    with pytest.raises(RowError, match="no training row has an entity"):
        family.reader.fit(rows.slice(3))
    found = family.reader.check(rows, FittedEntities(("name",), (1,)))
    assert found is not None
    assert found[0] == 0
    assert "unknown label 'thing'; the labels are name" in found[1].what
    assert family.reader.restore(FittedEntities(LABELS, (3, 4)).to_json()) == FittedEntities(LABELS, (3, 4))
    left = TextEncoder(make_tokenizer("bert"), EncoderConfig(24, 0, "left", ("input_ids", "attention_mask")))
    with pytest.raises(ModelError, match="at the left"):
        family.model.encode(rows, left)


def test_baselines_and_warnings() -> None:
    family = family_of()
    rows = rows_of(family)
    text = "It was Anna Berg's, of 12,000 copies; Anna Bergen's was not."
    asked = pa.Table.from_pylist([family.reader.parse({"text": text, "entities": None})], schema=rows.schema)
    nothing, known = family.scoring.baselines(rows, asked).values()
    assert nothing[0].entities == []
    assert [one.text for one in known[0].entities] == ["Anna Berg", "12,000 copies"]
    references = family.reader.references(rows)
    empty = [nothing[0]] * 4
    assert family.scoring.warnings(references, empty) == ["no entity is found in any row"]
    assert family.scoring.warnings(references, [known[0]] * 4) == []
