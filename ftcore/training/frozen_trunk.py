"""With the trunk frozen, it runs once: what the head reads of every row is kept on disk and looked up from then on.

Kept values are found by a row's token ids, so whoever asks (training, validation, R-Drop) and in whatever batch gets
the same numbers. They are made in one pass in a fixed order, so a resumed run finds or makes equal ones. A
frozen trunk has no dropout.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import numpy as np
import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ftcore.data.batching import by_length
from ftcore.data.features import FeatureStore
from ftcore.families.base import Batch, Family
from ftcore.modeling.layers import trunk_of

_ROWS = 64  # a batch of the one pass
_CLOSE = 1e-3  # largest difference, relative to the largest output, between the real trunk's outputs and ours

#: What a head reads of the trunk: the hidden state of the first token, or of all.
Read = Literal["first", "all"]


@contextmanager
def trunk_runs_once(
    model: nn.Module,
    family: Family[Any],
    stores: Sequence[FeatureStore],
    folder: Path,
    *,
    half: bool = False,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    warn: Callable[[str], None],
) -> Iterator[None]:
    """Within: the trunk of `model` answers from disk for the rows of `stores`, and runs for others.

    Where that cannot be, `warn` is told why and the trunk runs every time: the head reads more than hidden states
    (found out by comparing outputs), or the disk has no room.

    Args:
        model: on the device to compute on; its trunk is frozen.
        folder: holds one file for each trunk and store; made if absent.
        half: keep float16 instead of float32.
        autocast: makes the context of the one pass.
    """
    trunk = _FrozenTrunk(trunk_of(model), half)
    with trunk.in_place():
        probe = {name: value.to(_device(model)) for name, value in _probe(stores[0]).items()}
        trunk.read = trunk.what_is_read(model, family, probe)
        if trunk.read is None:
            warn(
                f"the frozen trunk runs in every epoch: {type(model).__name__} reads more than hidden states"
            )
        for store in stores if trunk.read else ():
            try:
                trunk.remember(store, folder, _device(model), autocast)
            except OSError as error:
                warn(f"the frozen trunk runs in every epoch: its outputs cannot be kept ({error})")
        yield


class _FrozenTrunk:
    """Takes the place of the `forward` of a Hugging Face base model.

    Its pooler, if there is one, belongs to the head and runs every time.
    """

    def __init__(self, trunk: nn.Module, half: bool) -> None:
        self._trunk = trunk
        self._config: Any = trunk.config
        self._forward: Callable[..., Any] = trunk.forward
        self._dtype = np.dtype(np.float16 if half else np.float32)
        self.read: Read | None = None
        #: Key of a row -> array of hidden states, and the slice of it that is the row's.
        self._kept: dict[bytes, tuple[np.ndarray, int, int]] = {}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within: it is."""
        self._trunk.forward = self
        try:
            yield
        finally:
            del self._trunk.forward

    def __call__(self, input_ids: torch.Tensor, **rest: Any) -> Any:  # noqa: ANN401 (as the architecture has it)
        inputs = {"input_ids": input_ids, **rest}
        if self.read is None:
            return self._run(inputs)
        hidden = self._look_up(inputs)
        if hidden is None:
            hidden = self._run(inputs).last_hidden_state.float()
            hidden = hidden[:, :1] if self.read == "first" else hidden
        pooler = getattr(self._trunk, "pooler", None)
        pooled = pooler(hidden) if pooler is not None else None
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=pooled)

    def _run(self, inputs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The real trunk, without dropout."""
        was_training = self._trunk.training
        self._trunk.eval()
        try:
            return self._forward(**inputs)
        finally:
            self._trunk.train(was_training)

    def what_is_read(self, model: nn.Module, family: Family[Any], batch: Batch) -> Read | None:
        """The least that gives the same outputs as the real trunk; None where nothing does."""
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad():
                self.read = None
                real = family.outputs(model, batch)
                options: tuple[Read, ...] = ("first", "all") if _padded_right(batch) else ("all",)
                for self.read in options:
                    if _same(real, lambda: family.outputs(model, batch)):
                        return self.read
        finally:
            model.train(was_training)
        return None

    def remember(
        self,
        store: FeatureStore,
        folder: Path,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        """Make, or find, the file of a store, and know its rows from now on.

        Raises:
            OSError: it cannot be written, or would take more than half of the room there is.
        """
        size = int(self._config.hidden_size)
        lengths = np.ones(len(store), np.int64) if self.read == "first" else store.lengths
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        batches = by_length(store.lengths, _ROWS)
        keys = np.empty(len(store), object)
        for indices in batches:
            keys[indices] = _keys(store.batch(indices))
        path = folder / f"{self._fingerprint(keys, offsets)}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            needed, free = int(offsets[-1]) * size * self._dtype.itemsize, shutil.disk_usage(folder).free
            if needed > free / 2:
                raise OSError(f"they take {needed / 1e9:.1f} GB of the {free / 1e9:.1f} GB that are free")
            beside = folder / f".{uuid4().hex}.npy"
            try:
                kept = np.lib.format.open_memmap(beside, "w+", self._dtype, (int(offsets[-1]), size))
                for indices in batches:
                    self._fill(kept, offsets[indices], store.batch(indices), device, autocast)
                kept.flush()
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        for key, start, end in zip(keys, offsets.tolist(), offsets[1:].tolist(), strict=False):
            self._kept[key] = (values, start, end)

    @torch.no_grad()
    def _fill(
        self,
        kept: np.ndarray,
        starts: np.ndarray,
        batch: Batch,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        inputs = {name: batch[name].to(device) for name in _INPUTS if name in batch}
        with autocast():
            hidden = self._run(inputs).last_hidden_state.float().cpu()
        for start, row, real in zip(starts, hidden, _real(batch), strict=True):
            states = row[:1] if self.read == "first" else row[real]
            kept[start : start + len(states)] = states.numpy()

    def _look_up(self, inputs: Mapping[str, Any]) -> torch.Tensor | None:
        """What is kept of every row, float32 [rows, tokens or 1, size]; None where one is unknown."""
        if not self._kept:
            return None
        batch = {name: inputs[name].cpu() for name in _INPUTS if inputs.get(name) is not None}
        found = [self._kept.get(key) for key in _keys(batch)]
        rows = [values[start:end] for values, start, end in filter(None, found)]
        if len(rows) < len(found):
            return None
        ids = inputs["input_ids"]
        flat = torch.from_numpy(np.concatenate(rows).astype(np.float32)).to(ids.device)
        if self.read == "first":
            return flat[:, None]
        hidden = flat.new_zeros(*ids.shape, flat.shape[-1])
        hidden[_real(batch).to(ids.device)] = flat
        return hidden

    def _fingerprint(self, keys: np.ndarray, offsets: np.ndarray) -> str:
        """The same for the same weights, rows and way of keeping them."""
        digest = hashlib.sha256(f"{self.read} {self._dtype} {len(keys)} {offsets[-1]}".encode())
        for name, value in sorted(self._trunk.state_dict().items()):
            if "pooler" not in name:
                digest.update(name.encode())
                digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
        for key in keys:
            digest.update(key)
        return digest.hexdigest()[:32]


_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _real(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Which tokens are no padding, bool [rows, width]."""
    mask = batch.get("attention_mask")
    return torch.ones_like(batch["input_ids"], dtype=torch.bool) if mask is None else mask.bool()


def _padded_right(batch: Mapping[str, torch.Tensor]) -> bool:
    return bool(_real(batch)[:, 0].all())


def _keys(batch: Mapping[str, torch.Tensor]) -> list[bytes]:
    """16 bytes for each row that depend on its real tokens and their types alone."""
    real = _real(batch).numpy()
    parts = [batch[name].numpy() for name in ("input_ids", "token_type_ids") if name in batch]
    stacked = np.stack(parts, axis=1).astype(np.int32)
    return [
        hashlib.blake2b(row[:, mask].tobytes(), digest_size=16).digest()
        for row, mask in zip(stacked, real, strict=True)
    ]


def _probe(store: FeatureStore) -> Batch:
    """A few rows of different length."""
    order = np.argsort(store.lengths, kind="stable")
    return store.batch(order[np.unique(np.linspace(0, len(order) - 1, 4).astype(int))])


def _same(real: Mapping[str, torch.Tensor], make: Callable[[], Mapping[str, torch.Tensor]]) -> bool:
    try:
        ours = make()
    except (IndexError, RuntimeError):  # the head reads positions that are not there
        return False
    return all(
        ours[name].shape == value.shape
        and float((ours[name] - value).abs().max()) <= _CLOSE * float(value.abs().max())
        for name, value in real.items()
    )
