"""Which rows are meant: conditions on columns, and slices of the test rows."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict

from ftcore.spec.base import Section


def given(name: str) -> JsonDict:
    """JSON Schema for: this key has a value."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _require_order(low: str, least: float | None, high: str, most: float | None) -> None:
    """Refuse bounds that no value is within.

    Args:
        low: the field of `least`.
        high: the field of `most`.
    """
    if least is not None and most is not None and least > most:
        raise ValueError(f"`{low}` {least:g} is above `{high}` {most:g}: no row is within")


class Condition(Section):
    """Keeps the rows whose column meets every bound given; rows without a value are dropped."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [given("min"), given("max"), given("one_of"), given("present")]}
    )

    column: str = Field(min_length=1, description="The column's name in the source.")
    min: float | None = Field(None, description="Smallest value kept.")
    max: float | None = Field(None, description="Largest value kept.")
    one_of: list[str] | None = Field(None, min_length=1, description="The values kept, as text.")
    present: Literal[True] | None = Field(None, description="Any value is kept; nothing and blanks are not.")

    @model_validator(mode="after")
    def _some_bound(self) -> Condition:
        if all(bound is None for bound in (self.min, self.max, self.one_of, self.present)):
            raise ValueError("give at least one of `min`, `max`, `one_of` and `present`")
        _require_order("min", self.min, "max", self.max)
        return self


class SliceSpec(Section):
    """Rows that meet everything given."""

    name: str = Field(min_length=1, max_length=60, description="What figures and checks call it.")
    label: str | None = Field(None, min_length=1, description="The label that is right, or one of them.")
    min_characters: int | None = Field(None, ge=0, description="Of all texts of a row together, at least.")
    max_characters: int | None = Field(None, ge=0, description="Of all texts of a row together, at most.")
    pattern: str | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="A regular expression that a text of the row has a match of.",
    )
    where: list[Condition] = Field(
        default_factory=list, description="Conditions on columns that `data.keep` lists."
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"is no regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _some_bound(self) -> SliceSpec:
        bounds = (self.label, self.min_characters, self.max_characters, self.pattern)
        if all(bound is None for bound in bounds) and not self.where:
            raise ValueError(
                "give at least one of `label`, `min_characters`, `max_characters`, `pattern` and `where`"
            )
        _require_order("min_characters", self.min_characters, "max_characters", self.max_characters)
        return self
