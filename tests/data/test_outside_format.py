"""Formats from other distributions: read by name and by suffix, under the allowlist, and refused by location."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_text import VALID

from ftcore.cli import main
from ftcore.data.sources import open_source
from ftcore.errors import DataError, PluginError
from ftcore.spec.sections import Source

MODULE = '''"""Lines with an equals sign."""

from ftcore.api import Format, Record


def read(path, name, source):
    for number, line in enumerate(path.read_text(source.encoding).splitlines(), 1):
        label, _, text = line.partition("=")
        yield Record(f"{name}:{number}", {"label": label, "text": text})


PAIRS = Format(name="pairs", read=read, suffixes=(".pairs",), options=frozenset({"encoding"}))
'''


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with data in a format that a distribution brings."""
    site = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(str(site))
    info = site / "acme_pairs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pairs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ftcore.sources]\npairs = acme_pairs:PAIRS\nodd = acme_pairs:read\n"
    )
    (site / "acme_pairs.py").write_text(MODULE)
    (project / "rows.pairs").write_text("good=a b\nbad=c\n")
    return project


@pytest.mark.parametrize("source", [{"path": "rows.pairs"}, {"path": "rows.pairs", "format": "pairs"}])
def test_it_is_read_by_suffix_and_by_name(folder: Path, source: dict[str, str]) -> None:
    opened = open_source(Source(**source), "train", folder)
    assert opened.kind == "pairs"
    rows = [(record.location, record.values) for record in opened.records()]
    assert rows == [
        ("rows.pairs:1", {"label": "good", "text": "a b"}),
        ("rows.pairs:2", {"label": "bad", "text": "c"}),
    ]


def test_options_and_folders_are_checked_for_it(folder: Path) -> None:
    with pytest.raises(DataError, match="`delimiter` does not apply to pairs"):
        open_source(Source(path="rows.pairs", delimiter=";"), "train", folder)
    (folder / "sub").mkdir()
    with pytest.raises(DataError, match=r"this is a folder, and data\.train\.format says pairs"):
        open_source(Source(path="sub", format="pairs"), "train", folder)


def test_one_allowlist_and_one_contract(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginError, match=r"source `odd`: `read` is function, not a Format"):
        open_source(Source(path="rows.pairs", format="odd"), "train", folder)
    monkeypatch.setenv("FTCORE_PLUGINS", "ftcore")
    with pytest.raises(PluginError, match="not in the allowlist"):
        open_source(Source(path="rows.pairs", format="pairs"), "train", folder)
    (folder / "rows.csv").write_text("text,label\na,b\n")
    assert open_source(Source(path="rows.csv"), "train", folder).kind == "csv"


def test_an_unknown_format_is_an_error_at_its_location(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = VALID.replace("train: train.csv", "train: {path: rows.pairs, format: pears}")
    (folder / "spec.yaml").write_text(text)
    assert main(["validate", "spec.yaml"]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "spec.yaml:3:37: error" in shown
    assert "unknown format; the formats are cloze, conll, csv, dataset" in shown
    assert "did you mean `pairs`?" in shown
