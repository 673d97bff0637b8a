"""The field `checks.invariance`: changes of a text that its answer should not depend on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ftcore.spec.base import Section

Perturbation = Literal["typos", "case", "punctuation"]
_Pair = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2, max_length=2)]


class InvarianceSpec(Section):
    """The test rows once more with other texts, and how many of their answers have to stay."""

    name: str | None = Field(
        None, min_length=1, max_length=60, description="What figures call it; the perturbation unless given."
    )
    perturbation: Perturbation | None = Field(
        None,
        description="typos: two neighbouring letters change places, once in fifty letters and at least once. case: all"
        " small letters, or all capitals where they are small already. punctuation: without the marks at the end, or"
        " with one.",
    )
    pairs: list[_Pair] | str | None = Field(
        None,
        min_length=1,
        description="Words that change places wherever they stand, such as names: pairs of them, or a table (CSV, TSV,"
        " JSON Lines) with the columns `from` and `to`. Rows that have none of them are left out.",
    )
    at_least: float = Field(gt=0, le=1, description="Share of the answers that stay. Exit code 3 below it.")

    @model_validator(mode="after")
    def _one_change(self) -> InvarianceSpec:
        if (self.perturbation is None) == (self.pairs is None):
            raise ValueError("give one of `perturbation` and `pairs`")
        if self.pairs is not None and self.name is None:
            raise ValueError("`pairs` need a `name`")
        return self

    @property
    def title(self) -> str:
        """What figures call it."""
        return self.name or str(self.perturbation)
