"""From a file to a resolved spec: both steps, locations for later errors, and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_text import VALID

from ftcore.plugins import PluginRegistry
from ftcore.spec import SpecError, load_spec


def test_valid_spec(project: Path, shipped: PluginRegistry) -> None:
    resolved = load_spec(project / "spec.yaml", shipped)
    assert resolved.spec.task == "sentiment"
    assert resolved.task.task.family == "sequence_classification"
    assert resolved.spec.data.train.path == "train.csv"
    assert (resolved.name, resolved.base_dir, resolved.text) == ("spec", project, VALID)


def test_name_of_the_spec_names_the_run(project: Path, shipped: PluginRegistry) -> None:
    assert load_spec(project / "spec.yaml", shipped, ["name=other"]).name == "other"


def test_later_errors_point_into_the_spec(project: Path, shipped: PluginRegistry) -> None:
    path = project / "spec.yaml"
    resolved = load_spec(path, shipped, ["training.seed=7"])
    assert resolved.where("data", "train") == f"{path}:3:10"
    assert resolved.where("data") == f"{path}:2:1"
    assert resolved.where("export", "variants") == f"{path}:1:1", "a default has no location of its own"
    assert resolved.where("training", "seed") == "--set:1:15"
    error = resolved.error(("data", "labels", 1), "no row has the label `pos`", help="remove it")
    assert str(error).splitlines() == [
        f"{path}:4:17: error[input]: no row has the label `pos`",
        "   4 |   labels: [neg, pos]",
        "     |                 ^^^",
        "     = help: remove it",
    ]


def test_paths_start_from_the_specs_folder(
    project: Path,
    shipped: PluginRegistry,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load_spec(project / "spec.yaml", shipped).spec.data.train.path == "train.csv"


@pytest.mark.parametrize("base", ["owner/name", "bert-base-uncased", "package:pluggy", "~"])
def test_base_model_that_may_be_elsewhere_or_is_there(
    base: str, project: Path, shipped: PluginRegistry
) -> None:
    assert load_spec(project / "spec.yaml", shipped, [f"model.base={base!r}"]).spec.model.base == base


OVERRIDES = {
    "training.learning_rate=3e-5": ("training", "learning_rate", 3e-5),
    "evaluation.bootstrap=0": ("evaluation", "bootstrap", 0),
    "training={epochs: 2, seed: 3}": ("training", "seed", 3),
    "data.labels=[a, b, c]": ("data", "labels", ["a", "b", "c"]),
    "data.labels.0=bad": ("data", "labels", ["bad", "pos"]),
    "training.class_weights={neg: 2}": ("training", "class_weights", {"neg": 2}),
    "model.dropout=": ("model", "dropout", None),
}


@pytest.mark.parametrize("argument", OVERRIDES)
def test_override(argument: str, project: Path, shipped: PluginRegistry) -> None:
    section, field, value = OVERRIDES[argument]
    spec = load_spec(project / "spec.yaml", shipped, [argument]).spec
    assert getattr(getattr(spec, section), str(field)) == value


def test_override_of_a_short_form_by_parts(project: Path, shipped: PluginRegistry) -> None:
    (project / "spec.yaml").write_text(VALID.replace("train.csv", "{path: no.csv}"))
    resolved = load_spec(project / "spec.yaml", shipped, ["data.train.path=train.csv"])
    assert resolved.spec.data.train.path == "train.csv"


def test_later_overrides_win_and_leave_no_spans_behind(project: Path, shipped: PluginRegistry) -> None:
    arguments = ["training={epochs: 9, seed: -1}", "training={epochs: 2}", "export.tolerance.flips=0.1"]
    resolved = load_spec(project / "spec.yaml", shipped, arguments)
    assert resolved.spec.training.epochs == 2
    assert ("training", "seed") not in resolved.document.values
    assert resolved.spec.export.tolerance.flips == 0.1


def test_override_picks_the_task(project: Path, shipped: PluginRegistry) -> None:
    assert load_spec(project / "spec.yaml", shipped, ["task=classification"]).task.info.id == "classification"


def test_override_does_not_change_what_an_alias_shares(project: Path, shipped: PluginRegistry) -> None:
    text = VALID.replace("train: train.csv", "train: &t {path: train.csv}\n  validation: *t")
    (project / "spec.yaml").write_text(text)
    (project / "more.csv").write_text("text,label\n")
    spec = load_spec(project / "spec.yaml", shipped, ["data.validation.path=more.csv"]).spec
    assert (spec.data.train.path, spec.data.validation and spec.data.validation.path) == (
        "train.csv",
        "more.csv",
    )


def test_overrides_cannot_multiply_without_bounds(project: Path, shipped: PluginRegistry) -> None:
    with pytest.raises(SpecError, match="nested deeper"):
        load_spec(project / "spec.yaml", shipped, ["name=" + "[" * 100])
