"""The whole plugin contract, on one page.

A plugin is a module. It provides one task through `ftcore_task` and may implement the other hooks; all are
called for its own task alone. A plugin imports `ftcore.api` and nothing else of ftcore:

    from ftcore.api import SequenceClassificationSpec, Task, hookimpl

    @hookimpl
    def ftcore_task() -> Task:
        return Task(id="topics", summary="News topics", spec=SequenceClassificationSpec)

A module may say `ftcore_api_version = 1` (the default). Arguments are only ever added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from ftcore.spec import Spec
    from ftcore.task import Task

API_VERSION = 1

hookspec = pluggy.HookspecMarker("ftcore")
hookimpl = pluggy.HookimplMarker("ftcore")


@hookspec(firstresult=True)
def ftcore_task() -> Task:  # type: ignore[empty-body]
    """Return the task that this plugin provides. Required; its id is the plugin's name."""


@hookspec(firstresult=True)
def ftcore_prepare_row(spec: Spec, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the row to learn from, given one row as the source has it, before columns are mapped.

    Raise `ValueError` to refuse the row: the message is shown with the row's file and number.
    """


@hookspec(firstresult=True)
def ftcore_augment(spec: Spec, text: str, rng: Random) -> str | None:
    """Return another version of a training text, for which the row's label still holds; `None` leaves it as it is.

    Called for the share `training.augment.hook` of the training texts, anew each epoch; validation and test are never
    changed. Draw from `rng` (a `random.Random`) alone: it depends on seed, epoch and row, so that a run can be repeated
    and resumed.
    """


@hookspec
def ftcore_metrics(  # type: ignore[empty-body]
    spec: Spec, references: Sequence[Any], answers: Sequence[Any], decoded: Sequence[Any]
) -> Mapping[str, float]:
    """Return further metrics, by name, of answers against their references.

    References and answers are plain values, a row each: label names, sorted lists of label names, numbers or texts,
    which `==` compares; of extracted spans a reference is the list of the right texts (of a question without an answer
    `[""]`), and `in` compares them; of entities both are lists of (start, end, label). `decoded` has the answers as the
    bundle gives them, with their scores.

    Called once for each evaluation of a split (while training goes on, at its end, and for each exported variant) and,
    where that has intervals, once more for each bootstrap resample (`evaluation.bootstrap`), with the rows that were
    drawn. So keep it fast, and return the same names for any rows.
    """


@hookspec
def ftcore_event(event: Mapping[str, Any], run: Path) -> None:
    """See one event as it is written to `events.jsonl`, for trackers; `run` is the folder of the run that it is of.

    The event is a copy. In the plugin of a task the hook sees the runs of that task; in an observer, those of every
    task. It is called in a thread of its own, one event after another, and the run does not wait for it: at the end of
    a run it has 30 seconds to see what it has not seen yet. If it raises, the run goes on: a `warning` in
    `events.jsonl` and on the console says what was raised, and it is not called again in that run. If it is slow, a
    warning says how many events it has not seen.
    """
