"""What a head reads of the rows that may be trained on, before any training: read once for all trials of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ftcore.data.features import FeatureStore
from ftcore.data.tables import Split
from ftcore.families.model import Model
from ftcore.runs.evaluation_inputs import FeaturesOf
from ftcore.training.head_start import inputs_of, last_linear
from ftcore_runtime.ranges import ranges
from ftcore_runtime.windows import firsts_of


class HeadInputs:
    """Reads all rows when some are first asked for: every trial begins with the same model and takes most of them.

    Args:
        rows: those of which trials and the last training take theirs.
        features: of some rows, as the model reads them.
    """

    def __init__(self, rows: Split, features: FeaturesOf) -> None:
        self._rows = rows
        self._features = features
        self._read: np.ndarray | None = None

    def of(self, model: torch.nn.Module, family: Model[Any, Any], rows: Split) -> np.ndarray | None:
        """What the head's last linear layer reads of some of the rows, float32 [features, size].

        Args:
            model: as every trial begins with it, on the device to compute on.

        Returns:
            None where there is no such layer, it reads more than one representation a feature, or rows are not known.
        """
        layer, known = last_linear(model), self._features(self._rows)
        if layer is None or (places := self._places(rows, known)) is None:
            return None
        if self._read is None:
            self._read = inputs_of(layer, model, family, known)
        return None if self._read is None else self._read[places]

    def _places(self, rows: Split, known: FeatureStore) -> np.ndarray | None:
        """Indices of the features of some rows among those of all, int64; None where a row is unknown."""
        place = {location: index for index, location in enumerate(self._rows.locations.to_pylist())}
        wanted = [place.get(location, -1) for location in rows.locations.to_pylist()]
        if len(place) < self._rows.table.num_rows or -1 in wanted:
            return None
        firsts, counts = firsts_of(known.row), np.bincount(known.row)
        return ranges(firsts[wanted], counts[wanted]) if wanted else None
