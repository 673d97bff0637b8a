"""The Python of README and docs does what it says: every snippet runs, those of a page one after another."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doc_blocks import snippets
from graph_cache import working_in
from hand_made_bundles import hand_made_bundle
from models import labelled_rows, save_tiny_bert, tiny_spec
from ruamel.yaml import YAML
from serving import serving

#: Pages whose Python does not run here, and why.
NOT_RUN = {
    "README.zh.md": "is that of README.md",
    "docs/how-to/nemo.md": "merges an adapter: tests/packaging/test_nemo.py",
    "docs/how-to/deploy.md": "needs MLflow: tests/packaging/test_engines.py loads such a model with it",
}
Runs = Callable[[str], dict[str, Any]]


def pages() -> dict[str, list[str]]:
    """Page -> its snippets."""
    found: dict[str, list[str]] = {}
    for snippet in snippets("python"):
        found.setdefault(snippet.page, []).append(snippet.text)
    return found


PAGES = pages()


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


@pytest.fixture
def runs(folder: Path) -> Iterator[Runs]:
    """Runs the snippets of a page in that folder, and returns the names that they have defined."""

    def run(page: str) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for snippet in PAGES[page]:
            exec(compile(snippet, page, "exec"), names)
        return names

    with working_in(folder):
        yield run
        (folder / "bundle").unlink(missing_ok=True)


def test_readme(runs: Runs, folder: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bundle").symlink_to(tiny_bundle)
    run = runs("README.md")["run"]
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "neutral"
    assert shown[-2].startswith(f"{run.metrics['accuracy'].value} ")
    assert shown[-1] in run.bundle.labels


def test_the_page_on_python(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs("docs/reference/python.md")
    shown = capsys.readouterr().out
    before, after = re.findall(r"^no clear difference between (\S+) and (\S+):", shown, re.MULTILINE)[0]
    assert before != after
    assert "overrides:1:1: error[unknown-key]" in shown


@pytest.mark.parametrize("page", ["docs/reference/bundle.md", "docs/reference/qa.md"])
def test_a_bundle_is_asked(page: str, runs: Runs, folder: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = hand_made_bundle("qa", tmp_path / "qa") if page.endswith("qa.md") else tiny_bundle
    (folder / "bundle").symlink_to(bundle)
    assert runs(page)["pipeline"].task == ("qa" if page.endswith("qa.md") else "sentiment")


def test_a_bundle_writes(
    runs: Runs, folder: Path, generating_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bundle").symlink_to(generating_bundle)
    pipeline = runs("docs/reference/generation.md")["pipeline"]
    assert capsys.readouterr().out == pipeline.predict(["Open the file"])[0].text


def test_what_a_customer_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundles = [hand_made_bundle(task, tmp_path / task / task) for task in ("intent", "ner")]
    (snippet,) = PAGES["docs/how-to/customer-service.md"]
    names: dict[str, Any] = {}
    with serving(*bundles) as running:
        exec(snippet.replace("http://127.0.0.1:8000", running.url), names)
        understood = names["understand"]("Where is my refund?")
        names["client"].close()
    assert understood["intent"] in ("refund", "cancel", "status")


def test_plugins(runs: Runs) -> None:
    names = runs("docs/reference/plugins.md")  # tests/plugins/test_contract.py has a run with the first
    assert names["ftcore_task"]().id == "topics"
    assert (names["FAMILY"].name, names["PAIRS"].suffixes) == ("ranking", (".pairs",))


def test_no_page_is_left_out() -> None:
    run = {"README.md", "docs/how-to/customer-service.md"} | {
        f"docs/reference/{name}.md" for name in ("python", "bundle", "qa", "generation", "plugins")
    }
    assert {*PAGES} == run | NOT_RUN.keys()
