"""The pages that follow from the code are current, say what they should, and one that is not current is noticed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from doc_blocks import ROOT
from module_files import load_module

from ftcore.cli import make_parser
from ftcore.hookspecs import hookspec

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        yield load_module("generate", DOCS / "generate.py")


def test_they_are_current(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generate.main() == 0, "python docs/generate.py"
    for name in generate.PAGES:
        (tmp_path / name).write_bytes((generate.REFERENCE / name).read_bytes())
    spoilt = tmp_path / "commands.md"
    spoilt.write_text(spoilt.read_text().replace("`--tolerance X`", "`--tolerance Y`"))
    monkeypatch.setattr(generate, "REFERENCE", tmp_path)
    assert generate.main() == 1
    assert capsys.readouterr().out == f"{spoilt} is not current: python docs/generate.py\n"


@pytest.mark.parametrize(
    ("page", "line"),
    [
        (
            "spec.md",
            "| `training.epochs` | number | none | Passes over the training rows; chosen by `recipe` unless given. |",
        ),
        ("spec.md", "## ner"),
        ("commands.md", "| 3 | done, but a check, a gate or a tolerance was not met |"),
        ("commands.md", "## `ftcore bundle diff`"),
        ("commands.md", "Exit code 3: the two differ."),
        ("commands.md", "    ftcore bundle diff reviews other-reviews"),
        ("commands.md", "| `--jobs N` | of several specs: most runs at the same time (default: one a GPU; one where"
         " there is none) |"),
        ("hooks.md", "## `ftcore_augment(spec: Spec, text: str, rng: Random) -> str | None`"),
        ("metrics.md", "| `rougeL` | more | ROUGE-L: the same of the longest common subsequence |"),
        ("metrics.md", "| `ece` | less | Expected calibration error of the score: how far it is from the share of"
         " exactly right answers |"),
        ("metrics.md", "| `ftcore_drift_psi` | gauge | `model`, `version`, `measure` | Population stability index"
         " against the evaluation |"),
    ],
)  # fmt: skip
def test_what_a_page_says(page: str, line: str) -> None:
    assert line in (DOCS / "reference" / page).read_text().splitlines()


def test_they_have_every_command_and_every_hook() -> None:
    commands, hooks = ((DOCS / "reference" / name).read_text() for name in ("commands.md", "hooks.md"))
    assert [name for name, _ in make_parser().commands() if f"## `ftcore {name}`\n" not in commands] == []
    marked = [
        name
        for name, found in vars(sys.modules["ftcore.hookspecs"]).items()
        if hasattr(found, f"{hookspec.project_name}_spec")
    ]
    assert len(marked) == 5
    assert [name for name in marked if f"## `{name}(" not in hooks] == []


def test_the_index_leads_to_every_page() -> None:
    index = (DOCS / "index.md").read_text()
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.name != "index.md"]
    assert [page for page in pages if f"]({page}" not in index] == []
