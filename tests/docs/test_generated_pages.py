"""The pages that follow from the code are current, and one that is not is noticed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from module_files import load_module

SCRIPT = Path(__file__).parents[2] / "docs" / "generate.py"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return load_module("generate", SCRIPT)


def test_the_fields_of_specs_are_current(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generate.main() == 0, "python docs/generate.py"
    text = generate.PAGE.read_text()
    assert (
        "| `training.epochs` | number | none | Passes over the training rows; chosen by `recipe` unless given. |"
        in text
    )
    assert "\n## ner\n" in text
    monkeypatch.setattr(generate, "PAGE", tmp_path / "spec.md")
    (tmp_path / "spec.md").write_text(text.replace("epochs", "epoch"))
    assert generate.main() == 1
    assert "is not current: python docs/generate.py" in capsys.readouterr().out
