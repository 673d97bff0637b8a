"""What a teacher made of the training rows, together with them in every batch.

It was asked once, before the first step; a batch looks its outputs up by the index of each feature, so a resumed run
and any number of processes read the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ftcore.data.features import FeatureStore
from ftcore.families.model import Batch

_TEACHER = "teacher:"


class TaughtFeatures:
    """The training features, with a teacher's outputs in every batch.

    Args:
        store: what the student reads.
        outputs: output name -> float32 [features, ...], by feature of `store`; may be a memory map.
        by_token: whether their second axis is that of the tokens, which a batch cuts to its own width.
    """

    def __init__(self, store: FeatureStore, outputs: Mapping[str, np.ndarray], *, by_token: bool) -> None:
        self.row, self.lengths = store.row, store.lengths
        self._store, self._outputs, self._by_token = store, outputs, by_token

    def __len__(self) -> int:
        return len(self._store)

    def batch(self, indices: np.ndarray, epoch: int = 0) -> Batch:
        """The features at `indices`, and what the teacher made of them."""
        batch = self._store.batch(indices, epoch)
        width = batch["input_ids"].shape[1]
        for name, values in self._outputs.items():
            found = np.asarray(values[indices])
            batch[_TEACHER + name] = torch.from_numpy(found[:, :width] if self._by_token else found)
        return batch


def without_teacher(batch: Batch) -> Batch:
    """What the student may read."""
    return {name: value for name, value in batch.items() if not name.startswith(_TEACHER)}


def teacher_outputs(batch: Batch) -> dict[str, torch.Tensor]:
    """Output name -> tensor [features, ...]; empty where there is no teacher."""
    return {name.removeprefix(_TEACHER): value for name, value in batch.items() if name.startswith(_TEACHER)}
