"""Entities end to end on a tiny model: a run that is stopped and resumed, its bundle, long texts, files, the report."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from every_door import assert_explained
from models import tiny_base  # noqa: F401 (fixture)
from serving import serving
from stopping import stopped_and_resumed

from ftcore.cli import main
from ftcore_runtime import Pipeline

#: Words of the tiny tokenizer -> what they are, wherever they stand; of `nice place` the words are one entity.
NAMES = {"eat": "act", "nice place": "spot", "again": "act"}
FILLERS = ["food", "was", "the", "very", "slow", "good", "not", "a", "to"]


def tagged(draw: random.Random, words: int, names: int) -> tuple[list[str], list[str]]:
    """Words, and their tags as BIO has them."""
    places = set(draw.sample(range(words), names))
    text, tags = [], []
    for place in range(words):
        if place not in places:
            text.append(draw.choice(FILLERS))
            tags.append("O")
            continue
        name = draw.choice([*NAMES])
        for number, word in enumerate(name.split()):
            text.append(word)
            tags.append(f"{'I' if number else 'B'}-{NAMES[name]}")
    return text, tags


def conll(count: int, seed: int = 0) -> str:
    draw = random.Random(seed)
    rows = [tagged(draw, draw.randint(4, 30), draw.randint(0, 3)) for _ in range(count)]
    return "\n".join("".join(f"{w}\t{t}\n" for w, t in zip(*row, strict=True)) for row in rows)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def ner_run(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:  # noqa: F811
    """A run that was stopped within training and resumed."""
    folder = tmp_path_factory.mktemp("ner")
    (folder / "train.conll").write_text(conll(200))
    spec = {
        "task": "ner",
        "data": {"train": "train.conll", "split": {"validation": 40, "test": 40}},
        "model": {"base": str(tiny_base), "max_length": 24, "stride": 6},
        "training": {
            "epochs": 4,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "precision": "fp32",
            "checkpoint_every": 2,
        },
        "evaluation": {"bootstrap": 50},
        "export": {"variants": ["fp32", "int8"]},
    }
    return stopped_and_resumed(folder, "ner", spec, 6)


def test_learns_and_says_the_same_from_the_bundle(ner_run: Path) -> None:
    metrics = read(ner_run / "metrics.json")["splits"]["test"]
    assert metrics["metrics"]["f1"]["value"] >= 0.9, "a word is an entity wherever it stands"
    recipe = read(ner_run / "run.json")["recipe"]
    assert (recipe["name"], recipe["training"]["head_learning_rate"]) == ("steps", pytest.approx(0.05))
    assert {one["label"] for one in metrics["classes"]} == {"act", "spot"}
    assert set(metrics["baselines"]) == {"finding nothing", "looking up the training rows' entities"}
    exported = read(ner_run / "export.json")["variants"]
    assert exported["fp32"]["parity"]["flips"] == []
    assert exported["fp32"]["parity"]["max_abs_diff"] < 1e-3
    assert exported["fp32"]["test"]["metrics"] == metrics["metrics"]
    lines = [json.loads(line) for line in (ner_run / "predictions.test.jsonl").read_text().splitlines()]
    pipeline = Pipeline.load(ner_run / "bundle", "fp32")
    for line, answer in zip(lines, pipeline.predict([line["input"] for line in lines]), strict=True):
        assert [one.text for one in answer.entities] == [one["text"] for one in line["answer"]["entities"]]
        assert all(line["input"][one.start : one.end] == one.text for one in answer.entities)
        assert line["correct"] == (
            [(one.start, one.end, one.label) for one in answer.entities]
            == [(one["start"], one["end"], one["label"]) for one in line["reference"]]
        )


def test_the_plan_counts_entities(ner_run: Path) -> None:
    events = [json.loads(line) for line in (ner_run / "events.jsonl").read_text().splitlines()]
    plan = next(
        event["plan"] for event in events if event["event"] == "planned" and event["split"] == "train"
    )
    assert plan["rows"] == 120
    assert plan["windows"] > plan["rows"]
    assert plan["entities"] > 100
    assert plan["not at the edges of tokens"] == 0


def test_a_long_text_is_read_whole(ner_run: Path) -> None:
    """Far beyond the 24 tokens of a window, entities at the borders of windows among them."""
    words, tags = tagged(random.Random(5), 2000, 300)
    pipeline = Pipeline.load(ner_run / "bundle", "fp32")
    (answer,) = pipeline.predict([" ".join(words)])
    found = {(one.start, one.end, one.label) for one in answer.entities}
    expected, at = set(), 0
    for place, (word, tag) in enumerate(zip(words, tags, strict=True)):
        if tag[0] == "B":
            last = place
            while last + 1 < len(tags) and tags[last + 1] == f"I-{tag[2:]}":
                last += 1
            expected.add((at, at + len(" ".join(words[place : last + 1])), tag[2:]))
        at += len(word) + 1
    assert len(found & expected) >= 0.9 * len(expected) >= 0.9 * 290
    assert max(start for start, _, _ in found) > 9_000


def test_predict_texts_and_files(
    ner_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, text = str(ner_run / "bundle"), "the food was a nice place to eat"
    assert main(["predict", bundle, "--text", text, "--text", "the food"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("nice place (spot ")
    assert "eat (act " in first
    assert first.endswith(f")\t{text}")
    assert second == "(none)\tthe food"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["predict", bundle, "--text", f"{text} \x1b[5m"]) == 0
    shown = capsys.readouterr().out
    assert "a \x1b[1;33mnice place\x1b[0m" in shown, "in the colour of its label"
    assert "\x1b[5m" not in shown, "what comes from outside has no say in that"
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert "the food was a nice place [spot] to eat" in plain
    monkeypatch.undo()
    (tmp_path / "rows.csv").write_text(f"body\n{text}\n,\n")
    for name in ("out.jsonl", "out.csv"):
        out = ["--output", str(tmp_path / name), "--columns", "text=body"]
        assert main(["predict", bundle, "--input", str(tmp_path / "rows.csv"), *out]) == 3
    line = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert [(one["text"], one["label"]) for one in line["entities"]] == [
        ("nice place", "spot"),
        ("eat", "act"),
    ]
    header, row, *_ = (tmp_path / "out.csv").read_text().splitlines()
    assert header == "row,entities,error"
    assert '""text"": ""nice place""' in row
    assert main(["predict", bundle, "--text", "good", "--text-pair", "food"]) == 2
    assert "--text-pair: answers are to single texts" in capsys.readouterr().err


def test_the_bundle_on_a_labelled_file(ner_run: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "gold.conll").write_text(conll(30, seed=9))
    arguments = ["evaluate", str(ner_run / "bundle"), "--input", str(tmp_path / "gold.conll")]
    assert main([*arguments, "--variant", "int8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["splits"]["gold"]
    assert found["metrics"]["f1"]["value"] >= 0.9
    (tmp_path / "gold.conll").write_text("good O\nfood B-dish\n")
    assert main(arguments) == 2
    problem = "gold.conll:1: column 'entities': unknown label 'dish'; the labels are act, spot"
    assert problem in capsys.readouterr().err


def test_the_report_shows_references_and_answers_as_people_read_them(ner_run: Path) -> None:
    page = (ner_run / "report.html").read_text()
    assert "&#39;text&#39;" not in page
    assert "looking up the training rows" in page


def test_served(ner_run: Path) -> None:
    with serving(ner_run / "bundle") as running:
        (answer,) = running.ask("a nice place to eat", model="ner").json()["predictions"]
        assert [(one["label"], one["start"], one["end"]) for one in answer["entities"]] == [
            ("spot", 2, 12),
            ("act", 16, 19),
        ]
        (model,) = running.client.get("/v1/models").json()["models"]
        assert (model["widget"], model["fields"], model["labels"]) == ("entities", ["text"], ["act", "spot"])
        schemas = running.client.get("/openapi.json").json()["components"]["schemas"]
        answer_schema = schemas["ner.PredictResponse"]["properties"]["predictions"]["items"]
        entity = "ner.PredictResponse.Entity"
        reference = {"$ref": f"#/components/schemas/{entity}"}
        assert answer_schema["properties"]["entities"]["items"] == reference
        assert set(schemas[entity]["properties"]) == {"text", "label", "start", "end", "score"}
        about = running.client.get("/v2/models/ner").json()
        shapes = {output["name"]: output["shape"] for output in about["outputs"]}
        assert (shapes["count"], shapes["start"], shapes["label"]) == ([-1], [-1, -1], [-1, -1])
        tensor = {
            "name": "text",
            "datatype": "BYTES",
            "shape": [2],
            "data": ["a nice place to eat", "the food"],
        }
        outputs = running.client.post("/v2/models/ner/infer", json={"inputs": [tensor]}).json()["outputs"]
        found = {output["name"]: output for output in outputs}
        assert found["count"]["data"] == [2, 0]
        assert (found["label"]["shape"], found["label"]["data"]) == ([2, 2], ["spot", "act", "", ""])
        assert found["end"]["data"] == [12, 19, -1, -1]
        assert running.client.get("/v1/models/ner/drift").json()["psi"].keys() >= {"entities", "confidence"}


def test_explained(ner_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_explained(ner_run, {"text": "the food was good to eat very slow"}, capsys)


def test_packaged_for_triton(ner_run: Path, tmp_path: Path) -> None:
    assert main(["package", "triton", str(ner_run / "bundle"), "--output", str(tmp_path / "triton")]) == 0
    config = (tmp_path / "triton" / "ner" / "config.pbtxt").read_text()
    assert '{ name: "label", data_type: TYPE_STRING, dims: [ -1, -1 ] }' in config
    assert (
        '{ name: "logits", data_type: TYPE_FP32, dims: [ -1, 5 ] }'
        in (tmp_path / "triton" / "ner_graph" / "config.pbtxt").read_text()
    )
