"""The section `policy`: what is made of a model's scores, chosen on the validation rows and kept in the bundle."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ftcore.spec.base import Section


class ConformalSpec(Section):
    """Sets of labels that have the right one in a given share of rows."""

    method: Literal["lac", "aps"] = Field(
        "lac",
        description="lac: every label that is probable enough, the smallest sets on average. aps: the most probable"
        " labels up to a share of the whole, larger where the model is less certain.",
    )
    coverage: float = Field(0.9, gt=0.5, lt=1, description="Share of rows whose set has the right label.")


class PolicySpec(Section):
    """What is made of a model's scores. Each variant of a bundle has its own, chosen by its own answers."""

    temperature: Literal["auto", "fit", "off"] = Field(
        "auto",
        description="Divide the logits by a number with which probabilities mean what they say, where it helps"
        " validation rows that it was not fitted on. auto: from 100 validation rows on; fit: fewer are an error.",
    )
    min_confidence: float | None = Field(
        None, gt=0, lt=1, description="Answers below it abstain: they say so, and still are the best guess."
    )
    target_precision: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Choose `min_confidence` so that this share of the answers that do not abstain is right; of several"
        " labels, the threshold of each so that this share of the rows that are given it has it.",
    )
    conformal: ConformalSpec | None = Field(
        None, description="With each answer, the labels that cannot be ruled out; of one label a row."
    )

    @model_validator(mode="after")
    def _one_way_to_abstain(self) -> PolicySpec:
        if self.min_confidence is not None and self.target_precision is not None:
            raise ValueError("give one of `min_confidence` and `target_precision`")
        return self

    @property
    def fields_in_use(self) -> list[str]:
        """The fields that ask for something."""
        requested = [
            name
            for name in ("min_confidence", "target_precision", "conformal")
            if getattr(self, name) is not None
        ]
        return requested if self.temperature != "fit" else ["temperature", *requested]
