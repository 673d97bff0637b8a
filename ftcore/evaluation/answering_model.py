"""A fine-tuned model that answers inputs as its bundle would, without labels and without an export."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ftcore.data.features import FeatureStore
from ftcore.errors import UserError
from ftcore.evaluation.predict import predict
from ftcore.families.bound import BoundFamily
from ftcore.families.model import Batch
from ftcore.modeling.device import device_of, to_device
from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders import Prepared, make_decoder
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.explanations.occlusion import candidates_needed
from ftcore_runtime.inputs import Input

_BATCH = 32


class AnsweringModel:
    """Answers with all that explanations need of them.

    Args:
        model: on its device, in eval mode.
        family: with everything that it learnt.

    Raises:
        UserError: its answers are texts that are generated.
    """

    def __init__(self, model: torch.nn.Module, family: BoundFamily, encoder: TextEncoder) -> None:
        self.model, self.family, self.encoder = model, family, encoder
        self.decoder = make_decoder(family.scoring.decoder)
        if self.decoder.generates:
            raise UserError(
                f"the family {family.name} generates texts, which occlusion alone explains, by the bundle",
                where="--method",
                hint="leave it out: ftcore explain RUN --text ...",
            )

    def __call__(self, inputs: Sequence[Input]) -> list[Answer]:
        """One answer to each."""
        prepared = self.decoder.prepare(inputs, self.encoder)
        store = FeatureStore.prepared(prepared, self.family.model, self.encoder)
        outputs = predict(self.model, self.family, store, _BATCH)
        return self.decoder.decode(outputs, prepared, candidates_needed(self.decoder))

    def batch(self, prepared: Prepared) -> Batch:
        """One input as the model reads it, on its device: name -> tensor [1, tokens].

        Raises:
            UserError: it is more than one window.
        """
        made = self.encoder.collate(prepared.encoded)
        if (windows := len(made["input_ids"])) != 1:
            raise UserError(
                f"the input is {windows} windows, and this method reads one",
                where="--method",
                hint="use occlusion",
            )
        return to_device(
            {name: torch.from_numpy(value) for name, value in made.items()}, device_of(self.model)
        )
