"""With the trunk frozen, it runs once: what the head reads of every row is kept on disk and looked up from then on.

A frozen trunk has no dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ftcore.data.features import FeatureStore
from ftcore.families.model import Batch, Model
from ftcore.modeling.device import device_of, to_device
from ftcore.modeling.layers import trunk_of
from ftcore.training.kept_states import Autocast, KeptStates, Read, padded_right

_CLOSE = 1e-3  # largest difference, relative to the largest output, between the real outputs and ours


@contextmanager
def trunk_runs_once(
    model: nn.Module,
    family: Model[Any, Any],
    stores: Sequence[FeatureStore],
    folder: Path,
    *,
    half: bool = False,
    autocast: Autocast = nullcontext,
    warn: Callable[[str], None],
) -> Iterator[None]:
    """Within: the trunk of `model` answers from disk for the rows of `stores`, and runs for others.

    Where that cannot be, `warn` gets the reason and the trunk runs every time: the head reads more than hidden states
    (found out by comparing outputs), or the disk has no room.

    Args:
        model: on the device to compute on; its trunk is frozen.
        folder: holds one file for each trunk and store; made if absent.
        half: keep float16 instead of float32.
        autocast: makes the context of the one pass.
    """
    trunk = _FrozenTrunk(trunk_of(model), half, autocast)
    with trunk.in_place():
        device = device_of(model)
        read = trunk.what_is_read(model, family, probe(stores[0], device))
        if read is None:
            warn(
                f"the frozen trunk runs in every epoch: {type(model).__name__} reads more than hidden states"
            )
        for store in stores if read else ():
            try:
                trunk.kept.remember(store, folder, device)
            except OSError as error:
                warn(f"the frozen trunk runs in every epoch: its outputs cannot be kept ({error})")
        yield


class _FrozenTrunk:
    """Takes the place of the `forward` of a Hugging Face base model.

    Its pooler, if there is one, belongs to the head and runs every time.
    """

    def __init__(self, trunk: nn.Module, half: bool, autocast: Autocast) -> None:
        self._trunk = trunk
        self._forward: Callable[..., Any] = trunk.forward
        self._real = True  # whether the trunk just runs
        config: Any = trunk.config
        weights = {name: value for name, value in trunk.state_dict().items() if "pooler" not in name}
        self.kept = KeptStates(
            lambda inputs: self._run(inputs).last_hidden_state,
            weights,
            config.hidden_size,
            half=half,
            autocast=autocast,
        )

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
        if self._real:
            return self._run(inputs)
        hidden = self.kept.look_up(inputs)
        if hidden is None:
            hidden = self._run(inputs).last_hidden_state.float()
            hidden = hidden[:, :1] if self.kept.read == "first" else hidden
        pooler = getattr(self._trunk, "pooler", None)
        pooled = pooler(hidden) if pooler is not None else None
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=pooled)

    def _run(self, inputs: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The real trunk, without dropout."""
        with without_dropout(self._trunk):
            return self._forward(**inputs)

    @torch.no_grad()
    def what_is_read(self, model: nn.Module, family: Model[Any, Any], batch: Batch) -> Read | None:
        """The least that gives the same outputs as the real trunk, kept from now on; None where nothing does."""
        with without_dropout(model):
            real = family.outputs(model, batch)
            self._real = False
            options: tuple[Read, ...] = ("first", "all") if padded_right(batch) else ("all",)
            for self.kept.read in options:
                if same_outputs(real, lambda: family.outputs(model, batch)):
                    return self.kept.read
        self._real = True
        return None


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Within: the module is in eval mode."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


def probe(store: FeatureStore, device: torch.device) -> Batch:
    """A few rows of different length, on the device."""
    order = np.argsort(store.lengths, kind="stable")
    return to_device(store.batch(order[np.unique(np.linspace(0, len(order) - 1, 4).astype(int))]), device)


def same_outputs(real: Mapping[str, torch.Tensor], make: Callable[[], Mapping[str, torch.Tensor]]) -> bool:
    """Whether `make` gives nearly these outputs; what it reads may not be there, which is a no."""
    try:
        ours = make()
    except (IndexError, RuntimeError, ValueError):
        return False
    return all(
        ours[name].shape == value.shape
        and float((ours[name] - value).abs().max()) <= _CLOSE * float(value.abs().max())
        for name, value in real.items()
    )
