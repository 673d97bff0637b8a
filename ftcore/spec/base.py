"""What every section of a spec is made of: strict, immutable, no unknown keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: A share of something: 0 or more, less than 1.
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A mapping in the spec: immutable, typed without coercion, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)


class Columns(Section):
    """The names that the source gives its columns: no two fields are read from one, but for `id` and `title`."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        fields: dict[str, str] = {}
        for field, column in self.model_dump(exclude={"id", "title"}, exclude_none=True).items():
            if (other := fields.setdefault(column, field)) != field:
                raise ValueError(f"`{other}` and `{field}` are both the column {column!r}")
        return self


def check_labels(labels: Sequence[str]) -> None:
    """Refuse names of labels that no row can have, or that are there twice.

    Raises:
        ValueError: with the first of them.
    """
    before: set[str] = set()
    for label in labels:
        if label in before:
            raise ValueError(f"`labels` names {label!r} more than once")
        before.add(label)
        if not label.strip():
            raise ValueError("`labels` has one without a name")
        if label != label.strip():
            raise ValueError(
                f"`labels` names {label!r}: rows' labels are read without outer space, write {label.strip()!r}"
            )


def check_stride(stride: int, max_length: int, *, given: bool, name: str = "model.stride") -> None:
    """Refuse windows that share more than half of their tokens.

    Args:
        given: whether the spec gives the stride.
        name: what the spec calls it.

    Raises:
        ValueError: with the largest that fits.
    """
    if stride > max_length // 2:
        it_is = f"it is {stride}{'' if given else ' unless given'}, and at most {max_length // 2} fits"
        raise ValueError(f"`{name}` is more than half of `model.max_length`: {it_is}")
