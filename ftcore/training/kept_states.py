"""Hidden states of rows on disk: made in one pass, found by a row's token ids from then on.

Whoever asks (training, validation, R-Drop), and in whatever batch, gets the same numbers. The one pass goes through the
rows in a fixed order, so a resumed run finds or makes equal ones.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ftcore.data.batching import by_length
from ftcore.data.features import FeatureStore
from ftcore.modeling.device import to_device
from ftcore_runtime.publishing import publishing

_ROWS = 64  # a batch of the one pass
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")

#: Which states are kept: the first token's, or those of all.
Read = Literal["first", "all"]
Autocast = Callable[[], AbstractContextManager[None]]


class KeptStates:
    """Hidden states of the rows that it was asked to remember.

    Args:
        run: makes the states, [rows, tokens, size], of the inputs of a batch on the device.
        weights: what `run` computes with, by name: files are kept apart by them.
        size: of a state.
        half: keep float16 instead of float32.
        autocast: makes the context of the one pass.
    """

    def __init__(
        self,
        run: Callable[[Mapping[str, torch.Tensor]], torch.Tensor],
        weights: Mapping[str, torch.Tensor],
        size: int,
        *,
        half: bool = False,
        autocast: Autocast = nullcontext,
    ) -> None:
        self._run = run
        self._weights = weights
        self._size = size
        self._dtype = np.dtype(np.float16 if half else np.float32)
        self._autocast = autocast
        self.read: Read = "all"
        #: Key of a row -> array of hidden states, and the slice of it that is the row's.
        self._kept: dict[bytes, tuple[np.ndarray, int, int]] = {}

    def remember(self, store: FeatureStore, folder: Path, device: torch.device) -> None:
        """Make, or find, the file of a store in `folder`, and know its rows from now on.

        Raises:
            OSError: it cannot be written, or would take more than half of the room there is.
        """
        lengths = np.ones(len(store), np.int64) if self.read == "first" else store.lengths
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        batches = by_length(store.lengths, _ROWS)
        keys = np.empty(len(store), object)
        for indices in batches:
            keys[indices] = _keys(store.batch(indices))
        path = folder / f"{self._fingerprint(keys, offsets)}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            needed = int(offsets[-1]) * self._size * self._dtype.itemsize
            free = shutil.disk_usage(folder).free
            if needed > free / 2:
                raise OSError(f"they take {needed / 1e9:.1f} GB of the {free / 1e9:.1f} GB that are free")
            with publishing(path) as made:
                kept = np.lib.format.open_memmap(made, "w+", self._dtype, (int(offsets[-1]), self._size))
                for indices in batches:
                    self._fill(kept, offsets[indices], store.batch(indices), device)
                kept.flush()
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        for key, start, end in zip(keys, offsets.tolist(), offsets[1:].tolist(), strict=False):
            self._kept[key] = (values, start, end)

    @torch.no_grad()
    def _fill(
        self, kept: np.ndarray, starts: np.ndarray, batch: Mapping[str, torch.Tensor], device: torch.device
    ) -> None:
        inputs = to_device({name: batch[name] for name in _INPUTS if name in batch}, device)
        with self._autocast():
            hidden = self._run(inputs).float().cpu()
        for start, row, real in zip(starts, hidden, real_tokens(batch), strict=True):
            states = row[:1] if self.read == "first" else row[real]
            kept[start : start + len(states)] = states.numpy()

    def look_up(self, inputs: Mapping[str, Any]) -> torch.Tensor | None:
        """What is kept of every row, float32 [rows, tokens or 1, size]; None where one is unknown."""
        if not self._kept:
            return None
        batch = {name: value.cpu() for name in _INPUTS if (value := inputs.get(name)) is not None}
        found = [self._kept.get(key) for key in _keys(batch)]
        rows = [values[start:end] for values, start, end in filter(None, found)]
        if len(rows) < len(found):
            return None
        ids = batch["input_ids"]
        flat = torch.from_numpy(np.concatenate(rows).astype(np.float32))
        if self.read == "all":
            padded = flat.new_zeros(*ids.shape, self._size)
            padded[real_tokens(batch)] = flat
        else:
            padded = flat[:, None]
        return padded.to(inputs["input_ids"].device)

    def _fingerprint(self, keys: np.ndarray, offsets: np.ndarray) -> str:
        """The same for the same weights, rows and way of keeping them."""
        digest = hashlib.sha256(f"{self.read} {self._dtype} {len(keys)} {offsets[-1]}".encode())
        for name, value in sorted(self._weights.items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
        for key in keys:
            digest.update(key)
        return digest.hexdigest()[:32]


def real_tokens(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Which tokens are no padding, bool [rows, width]."""
    mask = batch.get("attention_mask")
    return torch.ones_like(batch["input_ids"], dtype=torch.bool) if mask is None else mask.bool()


def padded_right(batch: Mapping[str, torch.Tensor]) -> bool:
    """Whether every row begins with a real token."""
    return bool(real_tokens(batch)[:, 0].all())


def _keys(batch: Mapping[str, torch.Tensor]) -> list[bytes]:
    """16 bytes for each row that depend on its real tokens and their types alone."""
    real = real_tokens(batch).numpy()
    parts = [batch[name].numpy() for name in ("input_ids", "token_type_ids") if name in batch]
    stacked = np.stack(parts, axis=1).astype(np.int32)
    return [
        hashlib.blake2b(row[:, mask].tobytes(), digest_size=16).digest()
        for row, mask in zip(stacked, real, strict=True)
    ]
