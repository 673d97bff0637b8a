"""The bases for a spec within a budget: what those at hand are worth, and which one to take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ftcore.data import Splits
from ftcore.errors import UserError
from ftcore.families.bound import BoundFamily
from ftcore.families.reader import input_text
from ftcore.families.recipe import usual_rate
from ftcore.recommendation.catalogue import Base, fitting, known_bases
from ftcore.recommendation.measure import Measured, measure
from ftcore.spec import ResolvedSpec
from ftcore.writing_systems import script_of
from ftcore_runtime.decoders import make_decoder

_TEXTS = 1_000  # whose script is looked at
_BYTES = {"fp32": 4.0, "fp16": 2.0, "weights4": 0.6}  # of a weight; 1 of any other variant


@dataclass(frozen=True)
class Candidate:
    """One base, as the table has it.

    Args:
        base: what is known of it.
        megabytes: of the smallest variant that the spec exports.
        measured: None where it is not at hand, or `problem` says why not.
        learning_rate: to train at.
        problem: why it could not be measured.
        over: which budget it is over, in words; None where it is within all.
    """

    base: Base
    megabytes: float
    measured: Measured | None = None
    learning_rate: float | None = None
    problem: str | None = None
    over: str | None = None

    @property
    def value(self) -> float | None:
        """Of the metric."""
        return (
            None
            if self.measured is None or self.measured.metric is None
            else float(self.measured.metric["value"])
        )


@dataclass(frozen=True)
class Budget:
    """What a base may take and be.

    Args:
        milliseconds: for one text.
        megabytes: of the smallest variant that is exported.
        languages: of the texts; guessed by their script where there are none.
        licenses: in lower case; empty for any.
    """

    milliseconds: float | None = None
    megabytes: float | None = None
    languages: tuple[str, ...] = ()
    licenses: frozenset[str] = frozenset()


def candidates(
    resolved: ResolvedSpec, splits: Splits, budget: Budget, others: Sequence[str] = ()
) -> Iterator[Candidate]:
    """The bases that fit, one by one as they are measured: those at hand first, then the others, the smallest first.

    Args:
        others: further bases that are at hand, by their paths.
    """
    family = BoundFamily(resolved.task.family, resolved.spec).with_fitted(splits.fitted)
    generates = make_decoder(family.scoring.decoder).generates
    texts = [input_text(one) for one in family.reader.inputs(splits.train.table.slice(0, _TEXTS))]
    script = Counter(script_of(text) for text in texts).most_common(1)[0][0]
    bases = [*(Base(ref=ref, at_hand=ref) for ref in others), *known_bases()]
    fit = fitting(
        bases, generates=generates, script=script, languages=budget.languages, licenses=budget.licenses
    )
    variants = resolved.spec.export.variants
    a_weight = min(_BYTES.get(variant, 1.0) for variant in (("int8",) if variants == "auto" else variants))
    for base in sorted(fit, key=lambda base: base.at_hand is None):
        if base.at_hand is None:
            size = base.million_parameters * a_weight
            over = _over(budget, size, None)
            yield Candidate(base, size, learning_rate=usual_rate(base.hidden_size), over=over)
            continue
        try:
            found = measure(resolved, base.at_hand)
        except UserError as error:
            yield Candidate(base, base.million_parameters * a_weight, problem=error.what)
            continue
        size = found.parameters / 1e6 * a_weight
        yield Candidate(base, size, found, found.learning_rate, over=_over(budget, size, found.milliseconds))


def best(found: Collection[Candidate], *, higher_is_better: bool) -> Candidate | None:
    """The one with the best metric of those within the budget; None where none was measured."""
    within = [one for one in found if one.over is None and one.value is not None]
    return max(within, key=lambda one: (one.value or 0.0) * (1 if higher_is_better else -1), default=None)


def _over(budget: Budget, megabytes: float, milliseconds: float | None) -> str | None:
    if budget.megabytes is not None and megabytes > budget.megabytes:
        return f"more than {budget.megabytes:g} MB"
    if budget.milliseconds is not None and milliseconds is not None and milliseconds > budget.milliseconds:
        return f"more than {budget.milliseconds:g} ms"
    return None
