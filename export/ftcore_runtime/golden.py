"""Golden examples: inputs with the answers that a bundle gave when written, replayed as a self-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore_runtime.answers import Answer
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields
from ftcore_runtime.inputs import Input

#: Largest difference of a number in an answer (relative above 1) that still passes, by variant. Integer
#: kernels round differently from one instruction set to the next: other variants are given more room.
TOLERANCE = {"fp32": 1e-3}
OTHER_TOLERANCE = 0.1
#: Candidates that an answer carries here, so that two of them nearly alike in probability are not taken for an error.
GOLDEN_CANDIDATES = 5


@dataclass(frozen=True)
class Golden:
    """The contents of `golden.json`.

    Args:
        inputs: as `Pipeline.predict` takes them; answered one at a time, so that no batch-mate plays a part.
        answers: variant -> one answer, as JSON, for each input.
    """

    inputs: Sequence[Input]
    answers: Mapping[str, Sequence[Mapping[str, Any]]]

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {
            "inputs": list(self.inputs),
            "answers": {name: list(rows) for name, rows in self.answers.items()},
        }

    @classmethod
    def from_json(cls, value: object, where: str) -> Golden:
        """Read `{inputs, answers}`.

        Raises:
            BundleError: other keys or types, or another number of answers than of inputs.
        """
        fields = Fields(value, where)
        inputs, answers = fields.take("inputs", list), fields.mapping("answers")
        fields.end()
        for name, rows in answers.items():
            if not isinstance(rows, list) or len(rows) != len(inputs):
                raise BundleError(f"answers.{name!s:.60}: expected {len(inputs)} of them", where=where)
        return cls([tuple(row) if isinstance(row, list) else row for row in inputs], answers)

    def check(self, variant: str, answers: Sequence[Answer], where: str) -> None:
        """Hold answers against those expected of `variant`.

        Raises:
            BundleError: an answer is another one, by more than rounding explains.
        """
        if variant not in self.answers:
            raise BundleError(f"has no answers for the variant {variant!r}", where=where)
        tolerance = TOLERANCE.get(variant, OTHER_TOLERANCE)
        for index, (answer, expected) in enumerate(zip(answers, self.answers[variant], strict=True)):
            if not _same(answer, expected, tolerance):
                raise BundleError(
                    f"example {index} is answered {_brief(answer.to_json())}, expected {_brief(expected)}",
                    where=where,
                    hint="the runtime on this machine does not reproduce the bundle; do not serve from it",
                )


def _same(answer: Answer, expected: object, tolerance: float) -> bool:
    if not isinstance(expected, Mapping):
        return False
    try:
        reference: Any = type(answer).from_json(expected)
        ours: Any = answer
        tied = max(reference.margin(ours), ours.margin(reference)) <= 2 * tolerance
        alike = tied or ours.agrees(reference)
    except (TypeError, KeyError, OverflowError):  # of candidates, whose values may be anything
        return False
    return alike and _close(_numbers(answer.to_json()), _numbers(reference.to_json()), tolerance)


def _close(numbers: Mapping[str, float], expected: Mapping[str, float], tolerance: float) -> bool:
    """Whether what is expected is there, close, and all there is; but of many labels only some are expected."""
    unexpected = [path for path in numbers.keys() - expected.keys() if path.count("/") == 1]
    return (
        numbers.keys() >= expected.keys()
        and not unexpected
        and all(
            abs(numbers[name] - number) <= tolerance * max(1.0, abs(number))
            for name, number in expected.items()
        )
    )


def _numbers(value: object, path: str = "") -> dict[str, float]:
    """Every fractional number in a JSON object, by its path; positions in a text are no matter of rounding."""
    if isinstance(value, Mapping):
        return {
            inner: number
            for key, item in value.items()
            for inner, number in _numbers(item, f"{path}/{key}").items()
        }
    return {path: value} if isinstance(value, float) else {}


def _brief(answer: object) -> str:
    return f"{answer!s:.160}"
