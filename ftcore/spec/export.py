"""The section `export` of a spec: which graphs are made, what they must meet, and which of them answers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ftcore.spec.base import Fraction, Section
from ftcore_runtime.unicode_scripts import first_word, known_scripts

Variant = Literal["fp32", "int8", "int8_mixed", "int8_tensor", "weights8", "weights4", "fp16"]

Variants = Annotated[list[Variant], Field(min_length=1, json_schema_extra={"uniqueItems": True})]


class ToleranceSpec(Section):
    """What parity with torch on real rows must meet; else the export ends with exit code 3."""

    logits: float = Field(1e-3, gt=0, description="Largest absolute logit difference of the fp32 variant.")
    flips: Fraction = Field(
        0.0, description="Largest share of rows whose answer changes in the fp32 variant."
    )
    int8_flips: Fraction = Field(
        0.05, description="Largest share of rows whose answer changes in every other variant."
    )


class LatencySpec(Section):
    """Milliseconds that one text may take, tokenization included, on the machine that exports."""

    p50: float | None = Field(None, gt=0, description="Half of the texts are answered within this.")
    p95: float | None = Field(None, gt=0, description="95 % of the texts are answered within this.")


class GatesSpec(Section):
    """What a variant must meet to answer by default. Metrics are those of the validation rows."""

    max_metric_drop: float | None = Field(
        0.5,
        ge=0,
        description="Points that the task's metric may lose against fp32 (a point is 0.01 of a metric from 0 to 1,"
        " and 1 of any other); null: no such gate.",
    )
    min_metric: dict[str, float] = Field(
        default_factory=dict, description="Metric -> the worst value allowed (of an error: the largest)."
    )
    max_latency_ms: LatencySpec = Field(default_factory=LatencySpec)
    max_size_mb: float | None = Field(None, gt=0, description="Of the variant's graphs, in 1,000,000 bytes.")
    batch_invariant: bool = Field(True, description="A text's answer must not depend on its batch-mates.")


class PruneSpec(Section):
    """Leave pieces out of the bundle's vocabulary. The run's own model keeps them."""

    min_count: int = Field(1, ge=1, description="Pieces that the training rows use at least as often stay.")
    scripts: list[str] = Field(
        default_factory=list,
        description="Scripts whose pieces all stay, by Unicode's names: Latin, Cyrillic, Han, Arabic...",
    )

    @field_validator("scripts")
    @classmethod
    def _scripts_exist(cls, value: list[str]) -> list[str]:
        for script in value:
            if (wanted := first_word(script)) not in known_scripts():
                near = get_close_matches(wanted, sorted(known_scripts()), n=1)
                hint = f"did you mean {near[0].title()}" if near else "languages are none: Chinese is Han"
                raise ValueError(f"Unicode has no script {script!r:.40} ({hint})")
        return value


def _both() -> list[Variant]:
    return ["fp32", "int8"]


class ExportSpec(Section):
    """What is deployed."""

    variants: Literal["auto"] | Variants = Field(
        default_factory=_both,
        description="The ONNX graphs in the bundle; without `gates` the first one answers unless asked otherwise."
        " auto: make and measure all that suit this machine; the bundle gets fp32 and the chosen one.",
    )
    gates: GatesSpec | None = Field(
        None, description="Choose the default variant by measurement; `variants: auto` does so anyway."
    )
    prefer: Literal["smallest", "fastest"] = Field(
        "smallest", description="Which of the variants that pass every gate answers by default."
    )
    prune_vocab: PruneSpec | None = Field(
        None, description="Keep only the pieces that training rows and `scripts` use: {} is enough."
    )
    parity_rows: int = Field(
        500, ge=1, description="Validation rows on which every variant is compared with torch."
    )
    tolerance: ToleranceSpec = Field(default_factory=ToleranceSpec)

    @property
    def chosen_by(self) -> GatesSpec | None:
        """The gates that choose the default variant; None where the first one named is it."""
        return self.gates or (GatesSpec() if self.variants == "auto" else None)

    @model_validator(mode="after")
    def _no_repeats(self) -> ExportSpec:
        if self.variants != "auto" and len(set(self.variants)) != len(self.variants):
            raise ValueError("`variants` names one twice")
        return self
