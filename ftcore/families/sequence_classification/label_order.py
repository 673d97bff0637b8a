"""A teacher's labels compared with ours: the same names, in whatever order it has them."""

from __future__ import annotations

from collections.abc import Sequence

import transformers

from ftcore.errors import ModelError

#: What transformers calls a problem.
PROBLEM_TYPES = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}


def require_same_labels(config: transformers.PretrainedConfig, problem: str, labels: Sequence[str]) -> None:
    """Refuse a teacher of other labels; their order may be any.

    Raises:
        ModelError: the teacher solves another problem, or knows other labels.
    """
    kind = config.problem_type
    if kind is not None and kind != PROBLEM_TYPES[problem]:
        raise _unfit(f"the teacher's problem is {kind}, not {PROBLEM_TYPES[problem]}")
    if problem == "regression":
        if config.num_labels != 1:
            raise _unfit(f"the teacher has {config.num_labels} outputs; a regression has one")
        return
    theirs = [str(config.id2label[index]) for index in range(config.num_labels)]
    strange, known = set(theirs) - set(labels), set(theirs)
    differences = [
        f"{what} {', '.join(map(repr, names[:8]))}{', ...' if len(names) > 8 else ''}"
        for what, names in (
            ("it lacks", [name for name in labels if name not in known]),
            ("it has as well", [name for name in theirs if name in strange]),
        )
        if names
    ]
    if differences:
        raise _unfit(
            f"the teacher's labels are not those of the data: {'; '.join(differences)}",
            hint="its config.json names them in `id2label`; they must be the same texts",
        )


def _unfit(what: str, hint: str | None = None) -> ModelError:
    return ModelError(what, where="model.distill_from", hint=hint)
