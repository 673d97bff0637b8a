"""What every section of a spec is made of: strict, immutable, no unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: A share of something: 0 or more, less than 1.
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A mapping in the spec: immutable, typed without coercion, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)
