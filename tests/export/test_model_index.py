from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ftcore.runs.licences import licence_of
from ftcore_export.bundle_writer import BundleSource, write_bundle
from ftcore_export.model_index import pipeline_tag
from ftcore_runtime.answers import Answer, LabelAnswer, TextAnswer
from ftcore_runtime.spans import EntitiesAnswer, SpanAnswer


def head(folder: Path) -> dict[str, Any]:
    _, front, _ = (folder / "README.md").read_text().split("---\n", 2)
    return YAML(typ="safe", pure=True).load(front)


def test_the_card_has_the_hub_form(tmp_path, bundle_arguments: dict[str, Any]) -> None:
    provenance = {
        "base_model_id": "owner/name",
        "licenses": {"base_model": "Apache-2.0", "data": None},
        "data": [{"split": "train", "source": "a: #b.csv", "sha256": "0" * 64, "rows_kept": 7}],
    }
    found = write_bundle(tmp_path / "b", BundleSource(**{**bundle_arguments, "provenance": provenance}))
    front = head(found)
    assert front["license"] == "apache-2.0"
    assert front["base_model"] == "owner/name"
    assert front["pipeline_tag"] == "text-classification"
    (model,) = front["model-index"]
    (result,) = model["results"]
    assert result["dataset"] == {"name": "a: #b.csv", "type": "a: #b.csv", "split": "test"}
    assert result["metrics"] == [{"type": "accuracy", "name": "accuracy", "value": 0.75}]
    card = (found / "README.md").read_text()
    assert "licence of base model: Apache-2.0" in card
    assert "licence of data: not stated" in card
    assert "data of train: a: #b.csv, 7 rows" in card
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import ModelCard

    data = ModelCard(card).data
    assert data.eval_results[0].metric_value == 0.75


def test_a_licence_that_has_no_identifier(tmp_path, bundle_arguments: dict[str, Any]) -> None:
    provenance = {"licenses": {"base_model": "MIT License", "data": None}}
    front = head(write_bundle(tmp_path / "b", BundleSource(**{**bundle_arguments, "provenance": provenance})))
    assert (front["license"], front["license_name"]) == ("other", "MIT License")


def test_where_a_licence_is_found(tmp_path) -> None:
    assert licence_of("./base", tmp_path) is None
    (tmp_path / "README.md").write_text("---\ntags: [x]\nlicense: mit\n---\n# x\nlicense: other\n")
    assert licence_of("./base", tmp_path) == "mit"
    assert licence_of("./base", tmp_path, "cc0-1.0") == "cc0-1.0"
    (tmp_path / "README.md").write_text("# x\n\nlicense: mit\n")
    assert licence_of("./base", tmp_path) is None
    assert "BSD" in str(licence_of("package:numpy/x"))
    assert licence_of("package:no_such_module/x") is None
    assert licence_of(None) is None


@pytest.mark.parametrize(
    ("answer", "task", "tag"),
    [
        (LabelAnswer, "sentiment", "text-classification"),
        (SpanAnswer, "qa", "question-answering"),
        (EntitiesAnswer, "ner", "token-classification"),
        (TextAnswer, "translation", "translation"),
        (TextAnswer, "summarization", "summarization"),
        (TextAnswer, "titles", "text-generation"),
        (LabelAnswer, "translation", "text-classification"),
        (Answer, "task", None),
    ],
)
def test_the_hub_has_a_name_for_what_it_does(answer: type[Answer], task: str, tag: str | None) -> None:
    assert pipeline_tag(answer, task) == tag
