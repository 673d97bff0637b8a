"""Tasks that no other module runs, end to end on tiny models: sentiment, the shipped aspects, a chat model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bundles import WORDS
from chat_model import save_chat_model
from every_door import assert_every_door
from models import labelled_rows, tiny_base  # noqa: F401 (fixture)
from ruamel.yaml import YAML
from stopping import stopped_and_resumed

from ftcore_runtime import Pipeline

TASKS = Path(__file__).parents[2] / "tasks"
TRAINING = {"epochs": 4, "batch_size": 16, "learning_rate": 5e-3, "precision": "fp32", "checkpoint_every": 2}


def shipped(name: str, **sections: dict[str, Any]) -> dict[str, Any]:
    """A shipped task file; `sections` are merged into its own."""
    spec = YAML(typ="safe").load(TASKS / f"{name}.yaml")
    return {**spec, **{key: {**spec.get(key, {}), **section} for key, section in sections.items()}}


def test_sentiment(
    tmp_path: Path,
    tiny_base: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = {
        "task": "sentiment",
        "data": {
            "train": labelled_rows(160),
            "labels": ["neg", "pos"],
            "split": {"validation": 24, "test": 24},
        },
        "model": {"base": str(tiny_base), "max_length": 16},
        "training": {"recipe": "plain", **TRAINING, "epochs": 8},
        "evaluation": {"bootstrap": 20},
        "export": {"variants": ["fp32", "int8"]},
    }
    run = stopped_and_resumed(tmp_path, "mood", spec, 6)
    good, bad = Pipeline.load(run / "bundle").predict(
        [row["text"] for row in reversed(labelled_rows(44)[-2:])]
    )
    assert (good.label, bad.label) == ("pos", "neg")
    assert good.polarity > 0 > bad.polarity
    assert_every_door(run, {"text": "the food was good"}, tmp_path, capsys)


def test_aspects_as_shipped(
    tmp_path: Path,
    tiny_base: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The shipped file with few of its rows: what it says of columns and labels is what is tried."""
    data = {}
    for split, rows in (("train", 120), ("validation", 24), ("test", 24)):
        lines = (
            (TASKS / "data" / f"product_reviews.{split}.jsonl").read_text("utf-8").splitlines(keepends=True)
        )
        data[split] = f"{split}.jsonl"
        (tmp_path / data[split]).write_text("".join(lines[:rows]), "utf-8")
    spec = shipped(
        "aspects",
        data=data,
        model={"base": str(tiny_base)},
        training={"recipe": "plain", **TRAINING, "epochs": 1},
        evaluation={"bootstrap": 20},
        export={"tolerance": {"int8_flips": 0.9}},
    )
    run = stopped_and_resumed(tmp_path, "aspects", spec, 4)
    item = {"text": "the colour is nice but the price was not good", "text_pair": "price"}
    (answer,) = Pipeline.load(run / "bundle").predict([item])
    assert {*answer.scores} == {"negative", "neutral", "positive"}
    assert_every_door(run, item, tmp_path, capsys)


def test_summaries_of_a_chat_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The template lies in the bundle as ids: what is written is what the run's own test answers are."""
    save_chat_model(tmp_path / "base")
    texts = [f"{one} food was {other}" for one in WORDS for other in WORDS[:6]]
    spec = {
        "task": "summarization",
        "data": {
            "train": [{"source": text, "target": text.split()[0]} for text in texts],
            "split": {"validation": 12, "test": 12},
        },
        "model": {"base": "./base", "max_length": 24, "max_target_length": 6, "prompt": "chat"},
        "training": {**TRAINING, "learning_rate": 1e-2},
        "evaluation": {"bootstrap": 20},
        "export": {"variants": ["fp32", "int8"], "parity_rows": 12, "tolerance": {"int8_flips": 0.9}},
    }
    run = stopped_and_resumed(tmp_path, "chat", spec, 6)
    lines = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    written = Pipeline.load(run / "bundle", "fp32").predict([line["input"] for line in lines])
    assert [one.summary for one in written] == [line["answer"]["text"] for line in lines]
    prompt = json.loads((run / "bundle" / "bundle.json").read_text())["decoder"]["frame"]["source_before"]
    assert prompt, "the ids of the template before a text"
    assert_every_door(run, {"text": "good food was slow"}, tmp_path, capsys)
