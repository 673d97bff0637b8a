"""Translation from scratch and a prompted decoder end to end: runs, their bundles, and what these write."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from bundles import WORDS
from every_door import assert_every_door
from graph_cache import working_in
from models import save_tiny_decoder
from ruamel.yaml import YAML
from stopping import stopped_and_resumed

from ftcore.cli import main
from ftcore_runtime import Pipeline
from ftcore_runtime.errors import InputError

DIGITS = dict(zip("abcdefgh", "12345678", strict=True))


def rows(count: int) -> list[dict[str, str]]:
    """Letters, and the digits they stand for."""
    draw = random.Random(0)
    texts = {" ".join(draw.choices("abcdefgh", k=draw.randint(1, 5))) for _ in range(2 * count)}
    return [
        {"source": text, "target": "".join(DIGITS.get(c, c) for c in text)} for text in sorted(texts)[:count]
    ]


def run(folder: Path, name: str, spec: dict[str, Any]) -> Path:
    YAML().dump(spec, folder / f"{name}.yaml")
    with working_in(folder):
        assert main(["run", str(folder / f"{name}.yaml")]) == 0
    (record,) = folder.glob(f"runs/{name}/*/run.json")
    return record.parent


def assert_loss_falls(record: Path) -> None:
    events = [json.loads(line) for line in (record / "events.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in events if event["event"] == "step"]
    assert losses[-1] < 0.75 * losses[0]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learns letters' digits from scratch, with beams."""
    folder = tmp_path_factory.mktemp("translation")
    (folder / "config").mkdir()
    both = {"layers": 1, "attention_heads": 2, "ffn_dim": 64}
    sizes = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in both.items()}
    config = {"model_type": "marian", "d_model": 32, "dropout": 0.0, "scale_embedding": True, **sizes}
    (folder / "config" / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 64}))
    spec = {
        "task": "translation",
        "data": {"train": rows(400), "split": {"validation": 20, "test": 20}},
        "model": {
            "init": "config",
            "base": "./config",
            "vocabulary": {"size": 300},
            "max_length": 32,
            "max_target_length": 32,
        },
        "generation": {"num_beams": 2},
        "training": {
            "epochs": 16,
            "batch_size": 32,
            "learning_rate": 1e-2,
            "precision": "fp32",
            "label_smoothing": 0.1,
        },
        "evaluation": {"bootstrap": 20, "tokenization": "char"},
        "export": {"parity_rows": 20, "tolerance": {"int8_flips": 0.9}},
    }
    return stopped_and_resumed(folder, "letters", spec, 6)


def test_learns_and_says_the_same_from_the_bundle(translator: Path) -> None:
    measured = read(translator / "metrics.json")["splits"]["test"]
    metrics = measured["metrics"]
    assert set(metrics) == {"bleu", "chrf", "length_ratio", "repetition", "score_auroc"}
    assert 0 <= metrics["score_auroc"]["value"] <= 1
    assert "answer" in measured["ranking"], "what the scores are good for, in a sentence"
    assert measured["ranking"] in (translator / "report.html").read_text()
    assert_loss_falls(translator)
    assert metrics["chrf"]["low"] <= metrics["chrf"]["value"] <= metrics["chrf"]["high"]
    assert "tok:char" in measured["signatures"]["bleu"]
    exported = read(translator / "export.json")["variants"]
    assert exported["fp32"]["test"]["metrics"] == metrics
    assert exported["fp32"]["parity"]["flips"] == []
    assert 0 < exported["fp32"]["parity"]["max_abs_diff"] < 1e-3
    assert exported["int8"]["bytes"] < exported["fp32"]["bytes"]
    lines = [json.loads(line) for line in (translator / "predictions.test.jsonl").read_text().splitlines()]
    pipeline = Pipeline.load(translator / "bundle")
    answers = pipeline.predict([line["input"] for line in lines])
    assert [answer.text for answer in answers] == [line["answer"]["text"] for line in lines]
    scores = [line["answer"]["score"] for line in lines]
    assert all(score <= 0 for score in scores)
    assert [answer.score for answer in answers] == pytest.approx(scores, abs=1e-3)
    assert pipeline.selftest() == 8


def test_the_bundle_measured_on_the_test_rows_gives_the_figures_of_the_run(
    translator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in (translator / "predictions.test.jsonl").read_text().splitlines()]
    gold = [{"from": line["input"], "to": line["reference"]} for line in lines]
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in gold))
    arguments = ["--input", str(tmp_path / "gold.jsonl"), "--columns", "source=from", "target=to", "--json"]
    assert main(["evaluate", str(translator / "bundle"), *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    known = read(translator / "export.json")["variants"][found["variant"]]["test"]["metrics"]
    assert found["splits"]["gold"]["metrics"] == known


def test_the_report_shows_what_is_written(translator: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in (translator / "predictions.test.jsonl").read_text().splitlines()]
    samples = read(translator / "metrics.json")["splits"]["test"]["samples"]
    everything = [
        {"source": line["input"], "reference": line["reference"], "prediction": line["answer"]["text"]}
        for line in lines
    ]
    assert len(samples) == 5
    assert all(sample in everything for sample in samples)
    assert samples[0] == everything[0]
    assert samples[-1] == everything[-1]
    card = (translator / "bundle" / "README.md").read_text()
    assert "| source | reference | prediction |" in card
    assert f"| {samples[2]['source']} | {samples[2]['reference']} |" in card
    assert main(["evaluate", str(translator)]) == 0
    printed = capsys.readouterr().out
    assert f"3 source      {samples[2]['source']}\n" in printed
    assert f"  reference   {samples[2]['reference']}\n" in printed


def test_every_door(translator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_every_door(translator, {"text": "a b c"}, tmp_path, capsys)
    for arguments in (["--text", "a b c", "--method", "gradients"], ["--sanity"]):
        assert main(["explain", str(translator), *arguments]) == 2
        assert "generates texts, which occlusion alone explains, by the bundle" in capsys.readouterr().err


def test_lengths_come_from_the_data(translator: Path) -> None:
    manifest = read(translator / "bundle" / "bundle.json")
    events = [json.loads(line) for line in (translator / "events.jsonl").read_text().splitlines()]
    plan = next(
        event["plan"] for event in events if event["event"] == "planned" and event["split"] == "train"
    )
    assert (
        manifest["decoder"]["generation"]["max_length"]
        == plan["longest target"]
        == plan["answers are at most"]
    )
    assert manifest["decoder"]["generation"]["num_beams"] == 2
    assert set(manifest["variants"]["fp32"]["graphs"]) == {"encoder", "decoder"}


def test_candidates_streams_and_bad_input(translator: Path) -> None:
    pipeline = Pipeline.load(translator / "bundle")
    (answer,) = pipeline.predict(["a b c"], top_k=2)
    assert next(candidate["text"] for candidate in answer.candidates) == answer.text
    assert answer.candidates[0]["score"] >= answer.candidates[1]["score"]
    pieces = list(pipeline.write_stream("a b c"))
    assert "".join(pieces).strip()
    assert len(pieces) > 1
    with pytest.raises(InputError):
        pipeline.predict([("a", "b")])


def test_is_served(translator: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "server"))
    from serving import serving

    texts = ["a b c", "d e", "f"]
    expected = [answer.to_json() for answer in Pipeline.load(translator / "bundle").predict(texts)]
    with serving(f"letters={translator / 'bundle'}") as server:
        found = server.ask(*texts, model="letters").json()["predictions"]
        schemas = server.client.get("/openapi.json").json()["components"]["schemas"]
        drift = server.client.get("/v1/models/letters/drift").json()
        assert server.client.get("/").status_code == 200
    assert found == expected
    assert any("text" in schema.get("properties", {}) for schema in schemas.values())
    assert {"length"} <= set(drift["psi"])


@pytest.mark.parametrize("lora", [None, {"rank": 4, "alpha": 8.0}])
def test_a_decoder_learns_its_answers_alone(
    tmp_path_factory: pytest.TempPathFactory,
    lora: dict[str, Any] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path_factory.mktemp("decoder")
    save_decoder(folder / "base")
    draw = random.Random(0)
    articles = sorted({" ".join(draw.choices(WORDS, k=draw.randint(2, 8))) for _ in range(160)})
    spec = {
        "task": "summarization",
        "data": {
            "train": [{"source": text, "target": text.split()[0]} for text in articles],
            "prompt": "food {source} [SEP]",
            "split": {"validation": 16, "test": 16},
        },
        "model": {"base": "./base", "max_length": 16, "max_target_length": 6, "lora": lora},
        "training": {"epochs": 8, "batch_size": 16, "learning_rate": 1e-2, "precision": "fp32"},
        "evaluation": {"bootstrap": 20, "zero_shot": True},
        "generation": {"min_length": 2},  # so that there is something to compare however little was learnt
        "export": {"variants": ["fp32"], "parity_rows": 16},
    }
    record = run(folder, "first-words", spec)
    metrics = read(record / "metrics.json")["splits"]["test"]["metrics"]
    assert {"rouge1", "rouge2", "rougeL", "rougeLsum", "copied_bigrams", "novel_bigrams"} <= set(metrics)
    zero_shot = read(record / "metrics.json")["splits"]["test"]["zero_shot"]
    assert zero_shot["metrics"].keys() == zero_shot["gain"].keys() == metrics.keys()
    for name, metric in metrics.items():
        gained = zero_shot["gain"][name]
        assert gained["value"] == pytest.approx(metric["value"] - zero_shot["metrics"][name]["value"])
        assert gained["low"] is None or gained["low"] < gained["high"]
    assert "zero-shot" in capsys.readouterr().out
    assert "The base model, zero-shot:" in (record / "bundle" / "README.md").read_text()
    if lora is None:
        assert_loss_falls(record)
        assert zero_shot["gain"]["rouge1"]["value"] > 0, "it was not trained yet"
    exported = read(record / "export.json")["variants"]["fp32"]
    assert exported["test"]["metrics"] == metrics
    assert exported["parity"]["flips"] == []
    assert exported["parity"]["max_abs_diff"] < 1e-3


def test_two_encoders_become_one_that_writes(tmp_path_factory: pytest.TempPathFactory) -> None:
    from models import save_tiny_bert

    folder = tmp_path_factory.mktemp("warm")
    save_tiny_bert(folder / "base", num_hidden_layers=1)
    draw = random.Random(0)
    texts = sorted({" ".join(draw.choices(WORDS, k=draw.randint(2, 8))) for _ in range(160)})
    spec = {
        "task": "translation",
        "data": {
            "train": [{"source": text, "target": text.split()[0]} for text in texts],
            "split": {"validation": 16, "test": 16},
        },
        "model": {"base": "./base", "decoder_base": "./base", "max_length": 16, "max_target_length": 6},
        "training": {"epochs": 6, "batch_size": 16, "learning_rate": 1e-2, "precision": "fp32"},
        "evaluation": {"bootstrap": 20},
        "generation": {"min_length": 2},
        "export": {"variants": "auto", "gates": {"max_metric_drop": 1000}, "parity_rows": 16},
    }
    record = run(folder, "first-words", spec)
    assert_loss_falls(record)
    variants = read(record / "export.json")["variants"]
    assert list(variants) == ["fp32", "int8", "int8_tensor", "weights8", "weights4"]
    exported = variants["fp32"]
    assert exported["test"]["metrics"] == read(record / "metrics.json")["splits"]["test"]["metrics"]
    assert exported["parity"]["flips"] == []
    assert 0 < exported["parity"]["max_abs_diff"] < 1e-3


def save_decoder(folder: Path) -> None:
    """A tiny Llama whose tokenizer knows the words of the tests, and no padding token of its own."""
    from bundles import tiny_tokenizer
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    save_tiny_decoder(
        folder,
        tokenizer,
        tokens={"bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]"},
        intermediate_size=64,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=2,
        eos_token_id=3,
        tie_word_embeddings=True,
    )
