"""Texts with some tokens hidden, drawn anew each epoch: what masked-language pre-training reads.

What a text becomes depends on seed, epoch and text alone, so a resumed run, and any number of processes, read the same.
"""

from __future__ import annotations

import numpy as np

from ftcore.data.features import FeatureStore
from ftcore.families.model import IGNORED, Batch
from ftcore_runtime.encoding import TextEncoder

#: Of the hidden tokens, those that the mask takes the place of, and those that another token does; the rest stays.
_MASKED, _REPLACED = 0.8, 0.1


def special_ids(encoder: TextEncoder) -> np.ndarray:
    """The ids that no word has, int64, ascending: of special tokens and of padding."""
    added = encoder.tokenizer.get_added_tokens_decoder()
    special = {id_ for id_, token in added.items() if token.special}
    return np.array(sorted(special | {encoder.config.pad_id}))


def mask_id(encoder: TextEncoder) -> int | None:
    """The id of the token that stands for a hidden one; None where the tokenizer has none."""
    added = {token.content: id_ for id_, token in encoder.tokenizer.get_added_tokens_decoder().items()}
    return next((added[name] for name in ("[MASK]", "<mask>") if name in added), None)


class MaskedFeatures:
    """The features of texts in the place of a `FeatureStore`: tokens are hidden, and `labels` say which they were.

    As BERT has it (Devlin et al. 2019): the mask in the place of 80 % of the hidden tokens, any other token in that of
    10 %, and 10 % as they are.

    Args:
        store: the features of the texts as they are.
        mask: what `mask_id` says.
        share: of the tokens of a text that are hidden, on average.
    """

    def __init__(self, store: FeatureStore, mask: int, share: float, seed: int) -> None:
        self.row, self.lengths = store.row, store.lengths
        self._store, self._mask, self._share, self._seed = store, mask, share, seed
        self._special = special_ids(store.encoder)
        every = np.arange(store.encoder.tokenizer.get_vocab_size())
        self._words = every[~np.isin(every, self._special)]

    def __len__(self) -> int:
        return len(self._store)

    def batch(self, indices: np.ndarray, epoch: int = 0) -> Batch:
        """The texts at `indices` as epoch `epoch` hides them; `labels` is int64 [texts, width]."""
        import torch

        batch = self._store.batch(indices)
        ids = batch["input_ids"].numpy().copy()
        labels = np.full_like(ids, IGNORED)
        for index, text in enumerate(indices):
            rng = np.random.default_rng([self._seed, epoch, int(text)])
            ordinary = np.flatnonzero(~np.isin(ids[index], self._special))
            hidden = ordinary[rng.random(len(ordinary)) < self._share]
            labels[index, hidden] = ids[index, hidden]
            fate, others = rng.random(len(hidden)), rng.choice(self._words, len(hidden))
            others = np.where(fate < _MASKED + _REPLACED, others, ids[index, hidden])
            ids[index, hidden] = np.where(fate < _MASKED, self._mask, others)
        return batch | {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}
