"""The policy of a bundle: what its probabilities mean, and when they are too low to act on. Chosen on validation rows.

- Temperature: logits are divided by it (Guo et al. 2017, "On Calibration of Modern Neural Networks").
- Abstention: an answer below a confidence says so, and still is the best guess.
- Conformal sets: the labels that cannot be ruled out, so that the right one is among them in a given share of rows like
  those of validation. LAC: Sadinle, Lei and Wasserman 2019, "Least Ambiguous Set-Valued Classifiers"; APS, in the form
  without randomisation: Romano, Sesia and Candès 2020, "Classification with Valid and Adaptive Coverage".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.fields import Fields

METHODS = ("lac", "aps")
_ROUNDING = 1e-9  # of sums of probabilities


@dataclass(frozen=True)
class Conformal:
    """Which labels cannot be ruled out.

    Args:
        method: `lac` (labels that are probable enough) or `aps` (the most probable labels, up to a share of the whole).
        threshold: the least probability of a label (lac), or the largest sum of the probabilities of it and of those
            above it (aps).
        coverage: the share of rows whose set is to have the right label.
    """

    method: str
    threshold: float
    coverage: float

    def members(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which labels are in the set of each row, bool [rows, labels]. A set may be empty: nothing is like the rows
        that the threshold was chosen on.

        Args:
            probabilities: float64 [rows, labels], each row sums to 1.
        """
        if self.method == "lac":
            return probabilities >= self.threshold
        return reached(probabilities) <= self.threshold + _ROUNDING


def reached(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each label the sum of the probabilities of it and of all labels above it, float64 [rows, labels]."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    found = np.empty_like(sums)
    np.put_along_axis(found, order, sums, axis=1)
    return found


@dataclass(frozen=True)
class Policy:
    """What is made of a model's scores; the default leaves them as they are.

    Args:
        temperature: logits are divided by it.
        min_confidence: below it an answer says that it abstains; None where none does.
        conformal: how a set of labels is made for each answer; None without.
    """

    temperature: float = 1.0
    min_confidence: float | None = None
    conformal: Conformal | None = None

    @classmethod
    def from_json(cls, value: object, where: str) -> Policy:
        """Read what `to_json` gives.

        Raises:
            BundleError: it is not that.
        """
        fields = Fields(value, where)
        temperature = fields.number("temperature")
        if temperature <= 0:
            raise fields.error("temperature", "must be above 0")
        least = None if fields.is_null("min_confidence") else fields.number("min_confidence")
        if least is not None and not 0 <= least <= 1:
            raise fields.error("min_confidence", "must lie between 0 and 1")
        conformal = None
        if not fields.is_null("conformal"):
            inner = Fields(fields.mapping("conformal"), f"{where}.conformal")
            conformal = Conformal(
                inner.choice("method", METHODS), inner.number("threshold"), inner.number("coverage")
            )
            inner.end()
        fields.end()
        return cls(temperature, least, conformal)

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        conformal = self.conformal
        return {
            "temperature": self.temperature,
            "min_confidence": self.min_confidence,
            "conformal": None
            if conformal is None
            else {
                "method": conformal.method,
                "threshold": conformal.threshold,
                "coverage": conformal.coverage,
            },
        }

    def abstains(self, confidence: float) -> bool | None:
        """Whether an answer of this confidence is not to be acted on; None where nothing is said of that."""
        return None if self.min_confidence is None else confidence < self.min_confidence


#: Scores as the model gives them, and answers that never abstain.
PLAIN = Policy()
