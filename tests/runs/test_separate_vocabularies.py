"""Translation from scratch with a vocabulary each for sources and targets: from the rows to the bundle's answers."""

from __future__ import annotations

import json
import random
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from graph_cache import working_in
from ruamel.yaml import YAML
from tokenizers import Tokenizer

from ftcore.cli import main
from ftcore.errors import ModelError
from ftcore.families.text_generation.model import TextModel
from ftcore.families.text_generation.reader import FittedTexts
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore.modeling.base_model import save_tokenizer
from ftcore_runtime import Pipeline

SIZES = {"vocabulary": {"joint": False, "size": 400, "min_frequency": 2}}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
BEAMS = 2


def rows(count: int) -> list[dict[str, str]]:
    """Words, and the same in another alphabet, all the endings of which are one."""
    draw = random.Random(0)
    words = ["".join(draw.choices(string.ascii_lowercase, k=3)) for _ in range(24)]
    greek = str.maketrans(string.ascii_lowercase, "αβψδεφγηιξκλμνοπϟρστθωςχυζ")
    texts = sorted({" ".join(draw.choices(words, k=draw.randint(1, 4))) for _ in range(2 * count)})
    return [
        {"source": text, "target": " ".join(f"{word}ειν" for word in text.translate(greek).split())}
        for text in texts[:count]
    ]


def marian(folder: Path, **more: Any) -> Path:
    """A tiny configuration without weights."""
    both = {"layers": 1, "attention_heads": 2, "ffn_dim": 64}
    sizes = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in both.items()}
    config = {"model_type": "marian", "d_model": 32, "dropout": 0.0, "scale_embedding": True, **sizes, **more}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 64}))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run."""
    folder = tmp_path_factory.mktemp("separate")
    marian(folder / "config")
    spec = {
        "task": "translation",
        "data": {"train": rows(300), "split": {"validation": 20, "test": 20}},
        "model": {"init": "config", "base": "./config", **SIZES, "max_length": 32, "max_target_length": 32},
        "generation": {"num_beams": BEAMS},
        "training": {"epochs": 16, "batch_size": 32, "learning_rate": 1e-2, "precision": "fp32"},
        "evaluation": {"bootstrap": 20},
        "export": {"parity_rows": 20, "tolerance": {"int8_flips": 0.9}},
    }
    YAML().dump(spec, folder / "words.yaml")
    with working_in(folder):
        assert main(["run", "words.yaml"]) == 0
    (record,) = folder.glob("runs/words/*/run.json")
    return record.parent


def test_each_side_has_a_vocabulary_and_an_embedding(finished: Path) -> None:
    from transformers import MarianMTModel

    reads, writes = (
        Tokenizer.from_file(str(finished / "model" / name))
        for name in ("tokenizer.json", "target_tokenizer.json")
    )
    row = rows(1)[0]
    for text, own, other in ((row["source"], reads, writes), (row["target"], writes, reads)):
        assert len(own.encode(text)) == 1 + len(text.split()) < len(other.encode(text))
        assert [own.token_to_id(token) for token in SPECIAL] == [0, 1, 2, 3]
    model = MarianMTModel.from_pretrained(finished / "model")
    sources, targets = model.model.encoder.embed_tokens.weight, model.model.decoder.embed_tokens.weight
    assert (len(sources), len(targets)) == (reads.get_vocab_size(), writes.get_vocab_size())
    assert len(sources) != len(targets)
    assert targets is model.lm_head.weight


def test_the_bundle_says_what_torch_generates(finished: Path) -> None:
    from transformers import MarianMTModel, PreTrainedTokenizerFast

    reads = PreTrainedTokenizerFast.from_pretrained(finished / "model")
    writes = Tokenizer.from_file(str(finished / "model" / "target_tokenizer.json"))
    model = MarianMTModel.from_pretrained(finished / "model").eval()
    manifest = json.loads((finished / "bundle" / "bundle.json").read_text())
    longest = manifest["decoder"]["generation"]["max_length"]
    lines = [json.loads(line) for line in (finished / "predictions.test.jsonl").read_text().splitlines()]

    def generated(text: str, beams: int) -> str:
        inputs = reads(text, return_tensors="pt")
        found = model.generate(**inputs, num_beams=beams, max_new_tokens=longest, do_sample=False)
        return writes.decode(found[0].tolist()).strip()

    texts = [line["input"] for line in lines]
    expected = [generated(text, BEAMS) for text in texts]
    pipeline = Pipeline.load(finished / "bundle", "fp32")
    assert [answer.text for answer in pipeline.predict(texts)] == expected
    assert [line["answer"]["text"] for line in lines] == expected
    assert all(expected)
    assert not set(string.ascii_lowercase) & set("".join(expected))
    assert "".join(pipeline.write_stream(texts[0])) == generated(texts[0], 1)
    assert pipeline.selftest() == 8
    exported = json.loads((finished / "export.json").read_text())["variants"]
    assert exported["fp32"]["parity"]["flips"] == []
    metrics = json.loads((finished / "metrics.json").read_text())["splits"]["test"]["metrics"]
    assert exported["fp32"]["test"]["metrics"] == metrics
    assert metrics["chrf"]["value"] > 20


def test_what_it_learnt_can_be_learnt_on(finished: Path, tmp_path: Path) -> None:
    """A fine-tuned model as `model.base`: both tokenizers come with it, and are kept with what is made of it."""
    made = family(str(finished / "model"))
    rows = pa.table({"source": ["a"], "target": ["b"]})
    base = made.open_base(tmp_path, lambda: rows, tmp_path / "base")
    assert made.open_encoder(base).target.tokenizer.get_vocab_size() > 300
    save_tokenizer(base, tmp_path / "kept")
    name = "target_tokenizer.json"
    assert (tmp_path / "kept" / name).read_bytes() == (finished / "model" / name).read_bytes()
    moved = json.loads((tmp_path / "kept" / name).read_text())
    pad, end = (moved["model"]["vocab"].pop(token) for token in ("<pad>", "</s>"))
    moved["model"]["vocab"] |= {"<pad>": end, "</s>": pad}
    for token in moved["added_tokens"]:
        token["id"] = moved["model"]["vocab"][token["content"]]
    (tmp_path / "kept" / name).write_text(json.dumps(moved))
    with pytest.raises(ModelError, match="has not the id"):
        made.open_encoder(replace(base, folder=tmp_path / "kept"))


def test_it_learns(finished: Path) -> None:
    events = [json.loads(line) for line in (finished / "events.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in events if event["event"] == "step"]
    assert losses[-1] < 0.75 * losses[0]


def family(base: str, **model: Any) -> TextModel:
    spec = {
        "task": "translation",
        "data": {"train": [{"source": "a", "target": "b"}]},
        "model": {"base": base, "max_length": 32, "max_target_length": 32, **model},
    }
    return TextModel(TextGenerationSpec.model_validate(spec), FittedTexts())


@pytest.mark.parametrize("base", ["transformer-tiny", "t5"])
def test_a_model_with_one_embedding_is_refused(base: str, tmp_path: Path) -> None:
    marian(tmp_path / "t5", model_type="t5")
    rows = pa.table({"source": ["a"], "target": ["b"]})
    made = family(base, init="config", **SIZES)
    with pytest.raises(ModelError, match="has one embedding") as caught:
        made.open_base(tmp_path, lambda: rows, tmp_path / "made")
    assert caught.value.where == "model.vocabulary.joint"
    assert "marian" in str(caught.value.hint)
    assert not (tmp_path / "made").exists()


def test_weights_bring_their_own_vocabulary() -> None:
    with pytest.raises(ValueError, match="weights bring their own"):
        family("./anything", vocabulary={"joint": False})


def test_the_preset_can_have_two(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(rows(50))
    made = family("marian-small", init="config", **SIZES)
    model = made.build(made.open_base(tmp_path, lambda: table, tmp_path / "base"))
    assert model.model.encoder.embed_tokens.weight is not model.model.decoder.embed_tokens.weight
    assert model.lm_head.weight is model.model.decoder.embed_tokens.weight
