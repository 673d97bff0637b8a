"""What the benchmarks of explanations share: runs that are made once, their models, planted words, intervals."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftcore.evaluation.answering_model import AnsweringModel
from ftcore.evaluation.gradients import explain_by_gradients
from ftcore.evaluation.intervals import percentiles
from ftcore_runtime.explanations.explanation import Explanation
from ftcore_runtime.explanations.occlusion import OCCLUSION, drive, occlude
from ftcore_runtime.inputs import Input
from ftcore_runtime.segmentation import words

Row = dict[str, Any]

#: Label -> the word that says so.
PLANTED = {"one": "tulip", "two": "granite"}


def run_of(folder: Path, spec: Mapping[str, Any], command: str = "run") -> Path:
    """The run of a spec in `folder`, made by a command of ftcore unless that was done before."""
    done = sorted(folder.glob("runs/spec/*/bundle" if command == "run" else "runs/spec/*/model"))
    if not done:
        (folder / "spec.yaml").write_text(json.dumps(spec), encoding="utf-8")
        call = [sys.executable, "-m", "ftcore", command, "spec.yaml", "--no-audit"]
        ended = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
        if ended.returncode not in (0, 3):
            raise SystemExit(ended.stdout + ended.stderr)
        done = sorted(folder.glob("runs/spec/*/model"))
    return done[-1].parent


def model_of(run: Path) -> AnsweringModel:
    """The run's model in torch."""
    from ftcore.plugins import PluginRegistry
    from ftcore.runs.folder import open_run, reload_spec
    from ftcore.runs.workspace import Workspace

    folder = open_run(run)
    workspace = Workspace(folder, *reload_spec(folder, PluginRegistry.discover()), ())
    return AnsweringModel(workspace.fine_tuned(), workspace.family, workspace.encoder)


def explains_in_torch(answers: AnsweringModel) -> Callable[[Input, str, bool], Explanation]:
    """Explains an input by a method, with or without its faithfulness."""

    def explain(item: Input, method: str, faithfulness: bool) -> Explanation:
        if method == OCCLUSION:
            return drive(occlude(answers.decoder, item, faithfulness=faithfulness), answers)
        return explain_by_gradients(answers, item, faithfulness=faithfulness, method=method)

    return explain


def planted_in(text: str, word: str, draw: random.Random) -> str:
    """The text with the word in the place of one of its own."""
    begin, end = draw.choice(words(text))
    return f"{text[:begin]} {word} {text[end:]}".strip()


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean."""
    array = np.array(values)
    found = percentiles(lambda rows: {"mean": float(array[rows].mean())}, len(array), 2000, 0.95)["mean"]
    return (found.low, found.high) if found else (float(array.mean()), float(array.mean()))
