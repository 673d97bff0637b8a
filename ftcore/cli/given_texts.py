"""The texts of `--text` and `--text-pair` as an input of a model, checked under the names of these options."""

from __future__ import annotations

from collections.abc import Sequence

from ftcore.errors import UserError
from ftcore_runtime.inputs import problem


def given_input(text: str, text_pair: str | None, fields: Sequence[str], required: int) -> dict[str, str]:
    """The texts by field.

    Args:
        fields: what the texts of an input are called.
        required: how many of them an input must have.

    Raises:
        UserError: there are more or fewer than are answered, or one that cannot be.
    """
    given = {"--text": text} if text_pair is None else {"--text": text, "--text-pair": text_pair}
    if len(given) < required:
        raise UserError(f"answers take {' and '.join(fields)}: give both", where="--text-pair")
    if len(given) > len(fields):
        raise UserError("answers are to single texts", where="--text-pair", hint="leave it out")
    for option, value in given.items():
        if why := problem(value):
            raise UserError(why, where=option)
    return dict(zip(fields, given.values(), strict=False))
