"""Out-of-fold figures for small data: a run inside the run for each fold of all rows, and their answers together.

With `data.cross_validation` all rows that no file of their own holds out are cut into folds. The run of a fold, in
`folds/<number>`, trains by the whole recipe on the others, holds validation rows out of them, and answers the rows of
its fold, which it has never seen: for training, for choosing or for thresholds. The answers of all folds, measured
together, say what this recipe gives on data like these; the model that the run keeps is another one, from its own
splits. A fold that is done is passed over, and one that was interrupted goes on from its checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ftcore.evaluation.evaluate import Evaluator, groups_of
from ftcore.families.bound import BoundFamily
from ftcore.families.scoring import SupportsBaselines
from ftcore.files import read_json_lines
from ftcore.runs.child_runs import StepAction, child_run, finish_child
from ftcore.runs.folder import RunFolder
from ftcore.runs.judging import judge_answers
from ftcore.runs.parts import both, check_folds, joined
from ftcore.runs.workspace import Workspace
from ftcore.training.stopping import StopRequest
from ftcore_runtime.decoders import make_decoder


def cross_validate(workspace: Workspace, stop: StopRequest, train: StepAction, evaluate: StepAction) -> None:
    """Train and measure on each fold.

    Raises:
        UserError: the rows cannot be cut into so many folds.
    """
    folds = workspace.spec.data.cross_validation
    if folds is None:
        return
    check_folds(workspace.splits, workspace.family.reader, folds)
    for number, child in enumerate(_children(workspace, folds), 1):
        workspace.events.emit("fold_started", number=number, folds=folds)
        finish_child(child, stop, train, evaluate)


def out_of_fold(workspace: Workspace) -> dict[str, Any] | None:
    """The section `cross_validation` of metrics.json; None where the spec asks for none."""
    folds = workspace.spec.data.cross_validation
    if folds is None:
        return None
    reader = workspace.family.reader
    tests, answers, baselines = [], [], []
    for child in _children(workspace, folds):
        splits, scoring = child.splits, child.family.scoring
        kind = make_decoder(scoring.decoder).answer
        lines = read_json_lines(child.folder.predictions("test"))
        answers += [kind.from_json(line["answer"]) for line in lines]
        tests.append(splits.test)
        learnt = both(splits).table if child.folder.selection_file.exists() else splits.train.table
        if isinstance(scoring, SupportsBaselines):
            baselines.append(scoring.baselines(learnt, splits.test.table))
    rows = joined("all folds", tests).table
    # Every label that any row has is known here, whatever the run's own training rows are.
    family = BoundFamily(workspace.family.family, workspace.spec, reader.fit(rows))
    own = workspace.evaluator
    evaluator = Evaluator(family, own.hooks, resamples=own.resamples, confidence=own.confidence)
    groups = groups_of(reader, rows)
    found = evaluator.measure(reader.references(rows), answers, groups)
    judgement = judge_answers(evaluator, workspace.metric, _together(baselines), found, groups)
    return {
        "folds": folds,
        **{key: value for key, value in found.to_json().items() if key != "confusion_cells"},
        "baselines": judgement.baselines,
        "warnings": judgement.warnings,
        "verdict": judgement.verdict,
    }


def _children(workspace: Workspace, folds: int) -> Iterator[Workspace]:
    data = workspace.spec.data.model_copy(update={"cross_validation": None})
    spec = workspace.spec.model_copy(update={"data": data})
    for number in range(1, folds + 1):
        folder = RunFolder(workspace.folder.path / "folds" / str(number))
        yield child_run(workspace, folder, spec, fold=[number, folds])


def _together(of_folds: Sequence[Any]) -> dict[str, list[Any]]:
    """Name of each baseline -> its answers to all rows; one whose name says what it answers may differ by fold."""
    made: dict[str, list[Any]] = {}
    for each in zip(*(baselines.items() for baselines in of_folds), strict=True):
        names = {name for name, _ in each}
        name = names.pop() if len(names) == 1 else "always answering what is most frequent"
        made[name] = [answer for _, answers in each for answer in answers]
    return made
