"""Thresholds that validation rows choose, for the families that have any."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ftcore.families.bound import BoundFamily
from ftcore.families.model import Stored
from ftcore.families.scoring import SupportsTuning


def tuned(
    family: BoundFamily, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table
) -> BoundFamily:
    """The family with the thresholds that are best on these rows; the family itself where it has none."""
    if not isinstance(family.scoring, SupportsTuning):
        return family
    return family.with_fitted(family.scoring.tune(outputs, features, rows))
