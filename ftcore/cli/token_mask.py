"""Which tokens of the first training rows are learnt, for `ftcore validate --show-mask`."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING

from ftcore.errors import UserError
from ftcore_runtime.terminal import printable

if TYPE_CHECKING:
    from ftcore.spec import ResolvedSpec

_ROWS = 3
_LEARNT = "\x1b[32m"
_RESET = "\x1b[0m"


def print_mask(resolved: ResolvedSpec) -> None:
    """Print the tokens of some rows; those that are learnt are green, or in brackets where there are no colours.

    Raises:
        UserError: the task learns no tokens; or as a run that cannot begin.
    """
    import numpy as np

    from ftcore.families.model import SupportsMask
    from ftcore.runs.scratch import scratch_workspace

    with scratch_workspace(resolved) as workspace:
        model = workspace.family.model
        if not isinstance(model, SupportsMask):
            raise UserError(
                f"the task {resolved.spec.task!r} learns no tokens",
                where="--show-mask",
                hint="it is for tasks that write texts",
            )
        features = workspace.features("train")
        tokenizer = workspace.encoder.target.tokenizer
        for index in range(min(_ROWS, len(features))):
            shown = model.tokens_shown(features.batch(np.array([index])))
            learnt = sum(own for _, own in shown)
            location = workspace.splits.train.locations[index].as_py()
            parts = [
                _marked(tokenizer.decode([one for one, _ in group], skip_special_tokens=False), own)
                for own, group in groupby(shown, key=lambda one: one[1])
            ]
            sys.stdout.write(f"{location}: {learnt} of {len(shown)} tokens are learnt\n{''.join(parts)}\n")


def _marked(text: str, learnt: bool) -> str:
    text = printable(text, lines=True)
    if not learnt:
        return text
    return f"{_LEARNT}{text}{_RESET}" if sys.stdout.isatty() else f"[{text}]"
