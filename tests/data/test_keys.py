"""What kept rows and features depend on: no less, or they are stale, and no more, or they are made anew for nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fake_family import rows_of, spec_of
from models import labelled_rows, tiny_spec
from ruamel.yaml import YAML

from ftcore.data import load_splits
from ftcore.families.sequence_classification.model import LabelModel
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import create_run
from ftcore.runs.workspace import Workspace
from ftcore.spec import load_spec


def workspace_of(project: Path, base: Path, **sections: object) -> Workspace:
    YAML().dump(tiny_spec(base, **sections), project / "small.yaml")
    resolved = load_spec(project / "small.yaml", PluginRegistry.discover())
    return Workspace(create_run(resolved, project / "runs"), resolved.spec, resolved.task, ())


def test_class_weights_tokenise_nothing_anew_and_the_order_of_labels_does(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = LabelModel.encode

    def counting(self: LabelModel, rows: object, encoder: object) -> object:
        encoded.append(1)
        return encode(self, rows, encoder)

    monkeypatch.setattr(LabelModel, "encode", counting)
    first = workspace_of(project, tiny_base)
    assert first.family.model.class_weights is None
    assert len(first.features("train")) == 96
    assert len(encoded) == 1
    second = workspace_of(project, tiny_base, training={"class_weights": {"pos": 2.0}})
    assert max(second.family.model.class_weights) == 2.0
    assert len(second.features("train")) == 96
    assert len(encoded) == 1, "from the cache"
    labels = [*reversed(first.family.model.labels)]
    third = workspace_of(project, tiny_base, data={"train": labelled_rows(160), "labels": labels})
    assert len(third.features("train")) == 96
    assert len(encoded) == 2, "other targets"


def test_every_file_of_the_familys_package_is_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "outside_family"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "reader.py").write_text(
        "from fake_family import FakeReader\n\n\nclass Own(FakeReader):\n    pass\n"
    )
    helper = package / "deep" / "helper.py"
    helper.write_text("LIMIT = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from outside_family.reader import Own  # type: ignore[import-not-found]

    def key() -> str:
        reader = Own(spec_of({"train": rows_of(20)}))
        return load_splits(reader, base_dir=tmp_path, cache_dir=tmp_path / "cache").key

    try:
        before = key()
        assert key() == before
        helper.write_text("LIMIT = 2\n")
        assert key() != before
    finally:
        for name in [name for name in sys.modules if name.startswith("outside_family")]:
            del sys.modules[name]
