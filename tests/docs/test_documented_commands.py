"""Every command of README, docs and `--help` runs as it stands, on tiny models, in a folder that has what it names.

Commands that cannot run here are on a list with the reason, and are parsed at least (`test_command_lines.py`).
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doc_blocks import NOT_RUN, PROGRAMS, Command, commands
from graph_cache import working_in
from hand_made_bundles import hand_made_bundle
from made_reviews import CHINESE, ENGLISH
from models import save_tiny_bert
from ruamel.yaml import YAML
from serving import Running

from ftcore.cli import main
from ftcore.runs.steps import export as steps_export

#: Exit codes other than 0.
CODES = {"ftcore validate spec.yaml": 2}
#: Pages whose BUNDLE is of a task of its own.
TASKS = {
    "docs/reference/qa.md": "qa",
    "docs/reference/ner.md": "ner",
    "docs/reference/pairs.md": "similarity",
}

#: What pages call runs -> their folders below `runs/`; the last of a name is its newest.
RUNS = {
    "reviews": "reviews/20260102-ab12",
    "other-reviews": "other-reviews/20260102T000000-00000000",
    "评论": "评论/20260102T000000-00000000",
    "messages": "messages/20260102T000000-00000000",
    "intent": "intent/20260102T000000-00000000",
    "ner": "ner/20260102T000000-00000000",
    "first": "first/20260102T000000-00000000",
    "second": "second/20260102T000000-00000000",
    "sentiment": "sentiment/20261123T175700-497ec836",
    "mail": "mail/20260401T101500-1a2b3c4d",
    "runs/mail/20260301T101500-1a2b3c4d": "mail/20260301T101500-1a2b3c4d",
    "RUN": "RUN/20260102T000000-00000000",
}
_ROWS = [f"The {thing} {end}" for thing in ("food", "place") for end in ("was good", "was bad", "was nice")]
#: Files that pages name: name -> columns and rows.
TABLES = {
    "rows.csv": ["Review text", "body", "No"],
    "unlabelled.csv": ["Review text"],
    "pairs.csv": ["a", "b"],
    "candidates.csv": ["text", "text_pair", "gold"],
}
#: What makes a training one of a second, where the line itself says nothing else.
QUICK = ("--set=model.base=./base", "--set=training.recipe=plain", "--set=training.max_steps=4", "--no-audit")
#: The page whose lines do not build on one another.
ALONE = "docs/reference/commands.md"


def runnable() -> dict[str, list[Command]]:
    """Page -> its commands, without pages that say nothing new, like README.zh.md."""
    pages: dict[str, list[Command]] = {}
    for command in commands():
        if command.program == "ftcore" and command.line not in NOT_RUN:
            pages.setdefault(command.page, []).append(command)
    seen: set[str] = set()
    found = {}
    for page, lines in pages.items():
        if fresh := {command.line for command in lines} - seen:
            found[page] = lines
            seen |= fresh
    return found


PAGES = runnable()


def review_spec(**training: Any) -> dict[str, Any]:
    """As `ftcore init reviews.csv` writes it, with a training of seconds."""
    return {
        "task": "sentiment",
        "data": {
            "train": {"path": ENGLISH.name, "encoding": ENGLISH.encoding, "delimiter": ";"},
            "columns": {"text": "Review text", "label": "Verdict"},
            "labels": ["negative", "positive"],
            "split": {"validation": 0.2, "test": 0.2},
        },
        "model": {"base": "./base", "max_length": 64},
        "training": {"batch_size": 16, "precision": "fp32", "learning_rate": 5e-3, **training},
        "evaluation": {"bootstrap": 20},
        "checks": {"audit": "off"},
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path, Path]) -> Path:
    """What every page's folder has, with one run, `reviews`, that has really been trained and exported."""
    folder = tmp_path_factory.mktemp("documents") / "project"
    save_tiny_bert(folder / "base")
    ENGLISH.write(folder)
    CHINESE.write(folder)
    for name in ("reviews.yaml", "评论.yaml", "SPEC", "sentiment", "intent", "ner"):
        YAML().dump(review_spec(), folder / name)
    YAML().dump(review_spec(learning_rat=3e-5), folder / "spec.yaml")
    (folder / "messages.jsonl").write_text(
        "".join(json.dumps(message(number)) + "\n" for number in range(60))
    )
    (folder / "dist").mkdir()
    (folder / "dist" / "ftcore-0.1.0-py3-none-any.whl").touch()
    shutil.copy(keys[0], folder / "private.pem")
    shutil.copy(keys[1], folder / "public.pem")
    with working_in(folder):
        assert main(["run", "reviews.yaml", *QUICK]) == 0
        (run,) = folder.glob("runs/reviews/*")
        run.rename(folder / "run")
        assert main(["bundle", "sign", "run/bundle", "--key", "private.pem"]) == 0
    return folder


def message(number: int) -> dict[str, Any]:
    """A row of `docs/how-to/entities.md`."""
    order, place = f"order {4000 + number}", ("Bergen", "Oslo", "Kiel")[number % 3]
    text = f"Where is {order} from {place}?"
    spans = {"order": order, "place": place}
    entities = [
        {"start": text.index(span), "end": text.index(span) + len(span), "label": label}
        for label, span in spans.items()
    ]
    return {"text": text, "entities": entities}


def tables(folder: Path, delimiter: str) -> None:
    """The files of `TABLES`, and those that are written in another way; fields as the bundle's rows have them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, columns in TABLES.items():
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(columns)
            for number, text in enumerate(_ROWS):
                writer.writerow([text, _ROWS[number // 3], number % 3][: len(columns)])
    with (folder / "gold.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(
            [("body", "stars", "Review text", "Verdict")]
            + [(text, label, text, label) for text in _ROWS for label in ("positive", "negative")]
        )
    shown = "body;Verdict\n" + "".join(f"{text};positive\n" for text in _ROWS)
    (folder / "other.csv").write_text(shown, encoding="gb18030")
    pq.write_table(pa.table({"Review text": _ROWS}), folder / "rows.parquet")
    questions = [{"q": "Who wrote it?", "context": text} for text in _ROWS]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))


@pytest.fixture
def folder(request: pytest.FixtureRequest, project: Path, tmp_path: Path) -> Iterator[Path]:
    """A page's own folder, with the runs that it names."""
    page: str = request.param
    words = {word.rpartition("=")[2] for command in PAGES[page] for word in command.words}
    folder = shutil.copytree(project, tmp_path / "project", ignore=shutil.ignore_patterns("run", ".cache"))
    shutil.copytree(project / "base", tmp_path / "models" / "large")
    for name, place in RUNS.items():
        if name == "reviews" or {name, f"runs/{place}"} & words:
            shutil.copytree(project / "run", folder / "runs" / place)
        if name in ("intent", "ner") and name in words:
            shutil.rmtree(folder / "runs" / place / "bundle")
            hand_made_bundle(name, folder / "runs" / place / "bundle")
    (folder / "RUN").symlink_to(folder / "runs" / RUNS["RUN"])
    for name in ("bundle", "OLD_BUNDLE", "NEW_BUNDLE"):
        shutil.copytree(project / "run" / "bundle", folder / name)
    tables(folder, "," if page in TASKS else ";")
    if page in TASKS:
        hand_made_bundle(TASKS[page], folder / "BUNDLE")
    elif page == "docs/reference/generation.md":
        (folder / "BUNDLE").symlink_to(request.getfixturevalue("generating_bundle"))
    else:
        (folder / "BUNDLE").symlink_to(project / "run" / "bundle")
    with working_in(folder):
        yield folder


@pytest.mark.parametrize("folder", PAGES, indirect=True)
def test_the_commands_of_a_page(
    folder: Path,
    project: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ftcore_server.process.serve", answers_once)
    monkeypatch.setattr(
        "ftcore_server.supervisor.serve_with_processes", answers_once
    )  # forks this very process

    def exported(workspace: Any, *_: Any) -> list[str]:
        """The bundle of a run from before: each run of a page would trace its graph anew."""
        before = Path("runs") / RUNS.get(workspace.folder.path.parent.name, RUNS["reviews"])
        shutil.copytree(before / "bundle", workspace.folder.bundle)
        return []

    page = request.node.callspec.params["folder"]
    for command in PAGES[page]:
        make_room(command)
        kept = {*folder.glob("runs/*/*")}
        monkeypatch.setattr(
            "ftcore.runs.steps.export", steps_export if command.words[1] == "export" else exported
        )
        name, *arguments = command.words[1:]
        code = main([name, *(QUICK if name in ("run", "train") else ()), *arguments])
        shown = capsys.readouterr()
        if page == ALONE:
            shutil.copy(project / "reviews.yaml", folder)
            for made in {*folder.glob("runs/*/*")} - kept:
                shutil.rmtree(made)
        assert code == CODES.get(command.line, 0), f"{command.line}: {shown.err or shown.out}"


def make_room(command: Command) -> None:
    """What a command writes and another one of its page has written is not there yet."""
    words = command.words
    if "--output" in words:
        written = Path(words[words.index("--output") + 1])
    elif words[1] == "init":
        written = Path(words[2]).with_suffix(".yaml")
    else:
        return
    if written.is_dir():
        shutil.rmtree(written)
    else:
        written.unlink(missing_ok=True)


def answers_once(settings: Any, read: Callable[[], Any]) -> SimpleNamespace:
    """A server as `ftcore serve` starts it, but at a free port, which ends when each model has answered."""
    running = Running(read(), replace(settings, port=0, drain_seconds=0.0))
    try:
        for model in running.client.get("/v1/models").json()["models"]:
            assert running.ask("good food", model=model["name"]).status_code == 200
    finally:
        running.stop()
    return SimpleNamespace(answered=True, abandoned=False)


def test_every_command_is_run_or_listed() -> None:
    every = commands()
    others = {Path(command.program).name for command in every if command.program != "ftcore"}
    assert others == {*PROGRAMS}, "a program that is not called any more, or whose reason is missing"
    assert {*NOT_RUN} <= {command.line for command in every}, "a line that stands nowhere any more"
