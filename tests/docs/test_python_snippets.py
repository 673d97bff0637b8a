"""The Python of README and docs does what it says: every snippet runs, those of a page one after another."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from models import labelled_rows, save_tiny_bert, tiny_spec
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


def snippets(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with `reviews.yaml`, `reviews.csv` and `base/`; and `sentiment`, which is as small."""
    made = tmp_path_factory.mktemp("snippets")
    save_tiny_bert(made / "base")
    with (made / "reviews.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(labelled_rows(160))
    YAML().dump(tiny_spec(made / "base", export={"variants": ["fp32"]}), made / "reviews.yaml")
    YAML().dump(tiny_spec(made / "base"), made / "sentiment")
    return made


@pytest.mark.parametrize("page", ["docs/reference/python.md", "README.md"])
def test_they_run(
    page: str,
    folder: Path,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    if page == "README.md":
        (folder / "bundle").symlink_to(tiny_bundle)
    names: dict[str, object] = {}
    found = snippets(page)
    assert found
    for snippet in found:
        exec(compile(snippet, page, "exec"), names)
    shown = capsys.readouterr().out
    if page == "README.md":
        assert shown.splitlines()[0] in ("negative", "neutral", "positive")
    else:
        assert "no clear difference between" in shown
        assert "overrides:1:1: error[unknown-key]" in shown
