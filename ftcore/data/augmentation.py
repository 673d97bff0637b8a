"""Other versions of the training rows, drawn anew each epoch: words swapped or left out, tokens replaced.

What a row becomes depends on seed, epoch and row alone, not on the order of the batches or on who asks: a
resumed run, and any number of processes, read the same. References are never touched.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ftcore.data.features import FeatureStore
from ftcore.data.masking import mask_id, special_ids
from ftcore.data.word_changes import delete_words, swap_words, words_among
from ftcore.errors import PluginError, UserError
from ftcore.families.bound import BoundFamily
from ftcore.families.model import Batch
from ftcore.families.reader import SupportsAugmentation
from ftcore.spec.sections import Spec
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.segmentation import words

if TYPE_CHECKING:
    import torch

_LOOKED_AT = 1000  # rows


class AugmentedFeatures:
    """The training features in the place of a `FeatureStore`, each batch changed as `training.augment` says.

    Args:
        store: the features of the rows as they are; their lengths decide the batches.
        rows: the parsed rows behind them.
        hooks: the plugin's, for `ftcore_augment`.

    Raises:
        UserError: the family's texts must stay as they are, or the plugin or the tokenizer lacks what is asked for.
    """

    def __init__(
        self,
        store: FeatureStore,
        rows: pa.Table,
        family: BoundFamily,
        encoder: TextEncoder,
        spec: Spec,
        hooks: Any,  # noqa: ANN401 (pluggy's hook relay has no useful type)
    ) -> None:
        assert spec.training.augment is not None
        self.row, self.lengths = store.row, store.lengths
        self._store, self._rows, self._model, self._encoder = store, rows, family.model, encoder
        self._spec, self._augment, self._seed = spec, spec.training.augment, spec.training.seed
        self._hook = hooks.ftcore_augment
        self._changes_words = bool(self._augment.swap or self._augment.delete or self._augment.hook)
        self._texts = family.reader.texts if isinstance(family.reader, SupportsAugmentation) else ()
        if self._changes_words and not self._texts:
            raise UserError(
                f"the texts of the family {family.name} must stay as they are: its references point into them",
                where="training.augment",
                hint="`mask` changes tokens and can be used",
            )
        if self._augment.hook and not self._hook.get_hookimpls():
            raise UserError("the task's plugin has no `ftcore_augment`", where="training.augment.hook")
        self._prepare_tokens()

    def _prepare_tokens(self) -> None:
        self._special, self._mask_id = special_ids(self._encoder), mask_id(self._encoder)
        if self._augment.mask and self._mask_id is None:
            raise UserError(
                "the base model's tokenizer has no mask token",
                where="training.augment.mask",
                hint="use `swap` or `delete`, which change words",
            )

    def __len__(self) -> int:
        return len(self._store)

    def idle_share(self) -> float:
        """Share of the training rows (of the first thousand) in which `swap` and `delete` can change nothing."""
        if not (self._augment.swap or self._augment.delete):
            return 0.0
        rows = self._rows.slice(0, _LOOKED_AT).select(list(self._texts)).to_pylist()
        few = [all(len(words_among(text, words(text))) < 2 for text in row.values()) for row in rows]
        return sum(few) / max(1, len(few))

    def batch(self, indices: np.ndarray, epoch: int = 0) -> Batch:
        """The features at `indices` as epoch `epoch` has them."""
        batch = self._changed(indices, epoch) if self._changes_words else self._store.batch(indices)
        if self._augment.mask:
            batch["input_ids"] = self._masked(batch["input_ids"].numpy(), indices, epoch)
        return batch

    def _changed(self, indices: np.ndarray, epoch: int) -> Batch:
        """Features of the rows with other words; a family with `texts` has one feature a row."""
        rows = self._rows.take(self.row[indices])
        draws = [random.Random(f"{self._seed} {epoch} {row}") for row in self.row[indices]]
        for name in self._texts:
            texts = [self._text(text, draw) for text, draw in zip(rows[name].to_pylist(), draws, strict=True)]
            index = rows.schema.get_field_index(name)
            rows = rows.set_column(
                index, rows.schema.field(name), pa.array(texts, rows.schema.field(name).type)
            )
        features = self._model.encode(rows, self._encoder)
        return FeatureStore.of(features, self._model, self._encoder).batch(np.arange(len(indices)))

    def _text(self, text: str, draw: random.Random) -> str:
        augment = self._augment
        if augment.hook and draw.random() < augment.hook:
            text = self._own(text, draw)
        return delete_words(swap_words(text, augment.swap, draw), augment.delete, draw)

    def _own(self, text: str, draw: random.Random) -> str:
        try:
            made = self._hook(spec=self._spec, text=text, rng=draw)
        except Exception as error:  # whatever a plugin raises is the plugin's fault
            raise PluginError(f"ftcore_augment raised {type(error).__name__}: {error}") from error
        if made is None:
            return text
        if not isinstance(made, str) or not made.strip():
            raise PluginError(
                f"ftcore_augment returned {made!r}; it must be a text, or None to leave it as it is"
            )
        return made

    def _masked(self, ids: np.ndarray, indices: np.ndarray, epoch: int) -> torch.Tensor:
        """Blank noise (Xie et al. 2017) on every token that is not special, int64 [features, width]."""
        import torch

        ids = ids.copy()
        for index, feature in enumerate(indices):
            rng = np.random.default_rng([self._seed, epoch, int(feature)])
            ordinary = np.flatnonzero(~np.isin(ids[index], self._special))
            chance = rng.random(len(ordinary))
            ids[index][ordinary[chance < self._augment.mask]] = self._mask_id
        return torch.from_numpy(ids)
