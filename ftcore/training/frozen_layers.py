"""With the first layers frozen, they run once: what the last of them says of every row is kept and looked up.

Only the layers above, and the head, are computed in every epoch. Frozen layers have no dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ftcore.data.features import FeatureStore
from ftcore.families.model import Batch, Model
from ftcore.modeling.layers import layers_of, trunk_of
from ftcore.training.frozen_trunk import device_of, probe, same_outputs, without_dropout
from ftcore.training.kept_states import Autocast, KeptStates, padded_right


@contextmanager
def layers_run_once(
    model: nn.Module,
    family: Model[Any, Any],
    stores: Sequence[FeatureStore],
    folder: Path,
    count: int,
    *,
    half: bool = False,
    autocast: Autocast = nullcontext,
    warn: Callable[[str], None],
) -> Iterator[None]:
    """Within: the first `count` layers of `model` answer from disk for the rows of `stores`, and run for others.

    Where that cannot be, `warn` is told why and they run every time: something above them reads more than their
    hidden states (found out by comparing outputs), or the disk has no room.

    Args:
        model: on the device to compute on; its embeddings and first layers are frozen.
        folder: holds one file for each model and store; made if absent.
        half: keep float16 instead of float32.
        autocast: makes the context of the one pass.
    """
    layers = _FrozenLayers(trunk_of(model), count, half, autocast)
    with layers.in_place():
        device = device_of(model)
        if layers.can_be_skipped(model, family, probe(stores[0], device)):
            for store in stores:
                try:
                    layers.kept.remember(store, folder, device)
                except OSError as error:
                    warn(f"the frozen layers run in every epoch: their outputs cannot be kept ({error})")
        else:
            warn(f"the frozen layers run in every epoch: {type(model).__name__} cannot go without them")
        yield


class _FrozenLayers:
    """Takes the place of the `forward` of a Hugging Face base model and of its first layers.

    The embeddings run every time: they cost little, and nothing reads what they give but the first layer.
    """

    def __init__(self, trunk: nn.Module, count: int, half: bool, autocast: Autocast) -> None:
        self._trunk = trunk
        self._layers = layers_of(trunk)[:count]
        self._frozen = [*filter(_is_frozen, trunk.children()), *self._layers]
        self._given: torch.Tensor | None = None  # what the layers would say of the batch on its way
        self._said: torch.Tensor | None = None  # what they said of the last batch that went through them
        self._tuple = 0  # length of the tuple that a layer returns; 0: the hidden states as they are
        config: Any = trunk.config
        self._single_stack = not getattr(config, "is_encoder_decoder", False)
        weights = {name: value.data for name, value in trunk.named_parameters() if not value.requires_grad}
        self.kept = KeptStates(
            self._run,
            {f"{count} layers": torch.zeros(1), **weights},
            config.hidden_size,
            half=half,
            autocast=autocast,
        )

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within: it is."""
        with ExitStack() as stack:
            self._swap(stack, self._trunk, self._through)
            for layer in self._layers:
                self._swap(stack, layer, self._layer)
            yield

    @staticmethod
    def _swap(stack: ExitStack, module: nn.Module, ours: Callable[..., Any]) -> None:
        module.forward = partial(ours, module, module.forward)
        stack.callback(delattr, module, "forward")

    def _through(
        self,
        trunk: nn.Module,
        forward: Callable[..., Any],
        input_ids: torch.Tensor,
        **rest: Any,  # noqa: ANN401 (as the architecture has it)
    ) -> Any:  # noqa: ANN401
        """The trunk; a batch whose rows are all known brings along what the frozen layers say of it."""
        inputs = {"input_ids": input_ids, **rest}
        with ExitStack() as stack:
            for part in self._frozen:
                stack.enter_context(without_dropout(part))
            if self._given is None:  # else it is by who called
                self._given = self.kept.look_up(inputs)
                stack.callback(setattr, self, "_given", None)
            return forward(**inputs)

    def _layer(
        self,
        layer: nn.Module,
        forward: Callable[..., Any],
        hidden: torch.Tensor,
        *rest: Any,  # noqa: ANN401 (as the architecture has it)
        **named: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """One frozen layer; where their outputs are known, only the last of them says anything."""
        last = layer is self._layers[-1]
        if self._given is not None:
            hidden = self._given if last else hidden
            return (hidden, *[None] * (self._tuple - 1)) if self._tuple else hidden
        made = forward(hidden, *rest, **named)
        if last:
            self._tuple = len(made) if isinstance(made, tuple) else 0
            self._said = made[0] if self._tuple else made
        return made

    def _run(self, inputs: Any) -> torch.Tensor:  # noqa: ANN401
        """What the last frozen layer says."""
        with without_dropout(self._trunk):
            self._trunk(**inputs)
        assert self._said is not None
        return self._said

    @torch.no_grad()
    def can_be_skipped(self, model: nn.Module, family: Model[Any, Any], batch: Batch) -> bool:
        """Whether outputs stay the same when the layers do not run but what they say is given."""
        # A row is known by its tokens alone: with padding on the left its positions depend on its batch-mates.
        if not self._single_stack or not padded_right(batch):
            return False
        with without_dropout(model):
            real = family.outputs(model, batch)
            self._given = self._said
            try:
                return self._given is not None and same_outputs(real, lambda: family.outputs(model, batch))
            finally:
                self._given = None


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
