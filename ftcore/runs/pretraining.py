"""`training.pretrain`: go on training the base model on texts without labels, before anything else of a run.

Gururangan et al. 2020 ("Don't stop pretraining") show what it brings: most where the texts are of another kind than
those that the base model has read, and the labelled rows are few. The outcome is a model folder in the run, which
stands in for the base model from then on; a run that was stopped goes on at its last checkpoint.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
import transformers
from accelerate.utils import set_seed

from ftcore import processes
from ftcore.data.features import FeatureStore
from ftcore.data.masking import MaskedFeatures, mask_id
from ftcore.data.sources import Opened
from ftcore.errors import UserError
from ftcore.events import EventLog
from ftcore.families.masked_language import SCHEMA, MaskedLanguage
from ftcore.modeling.base_model import BaseModel, load_weights, save_tokenizer
from ftcore.modeling.device import torch_device
from ftcore.modeling.layers import trunk_of
from ftcore.modeling.pooling import save_pooling, trained_pooling
from ftcore.runs.folder import RunFolder
from ftcore.runs.rows import read_texts
from ftcore.spec.sections import Spec
from ftcore.spec.training import TrainingSpec
from ftcore.training.checkpoint import CheckpointStore
from ftcore.training.engine import fine_tune
from ftcore.training.job import Job
from ftcore.training.sharding import full_state, is_sharded
from ftcore.training.stopping import StopRequest
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.files import sha256
from ftcore_runtime.publishing import publishing


@dataclass(frozen=True)
class PretrainingInputs:
    """What a base model is trained on, and what for.

    Args:
        spec: of the run, with `training.pretrain`.
        base: is left as it is on disk.
        encoder: its tokenizer.
        texts: compared with what the run first read of them.
        folder: of the run: the model that is made lies in `folder.pretrained`.
        events: of the run.
    """

    spec: Spec
    base: BaseModel
    encoder: TextEncoder
    texts: Opened
    folder: RunFolder
    events: EventLog

    def emit(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 (anything JSON can hold)
        """Write an event of this phase."""
        self.events.emit(kind, phase="pretraining", **fields)


def pretrain(inputs: PretrainingInputs, stop: StopRequest, resume: bool) -> None:
    """Train the base model on the texts, and write what becomes of it, a model folder like that of any base model.

    Raises:
        UserError: the tokenizer has no mask, the base model cannot tell hidden tokens, or a text cannot be read.
        Interrupted, RunFailed: see `fine_tune`.
    """
    spec, base, encoder = inputs.spec, inputs.base, inputs.encoder
    what = spec.training.pretrain
    assert what is not None
    mask = mask_id(encoder)
    if mask is None:
        raise UserError(
            "the base model's tokenizer has no mask token",
            where="training.pretrain",
            hint="take an encoder as `model.base` (BERT, RoBERTa, ModernBERT, ...), or leave `pretrain` out",
        )
    family = MaskedLanguage(spec, None)
    set_seed(spec.training.seed)
    model = family.build(base).to(torch_device())
    base.notes.clear()  # of a head that is thrown away
    checkpoints = inputs.folder.pretrained.with_name("pretraining")
    rows, locations = zip(*read_texts(inputs.texts, what.column), strict=True)
    table = pa.table({"text": pa.array(rows)}, schema=SCHEMA)
    features = FeatureStore.build(table, family, encoder, checkpoints / "texts.arrow")
    inputs.emit("planned", split="texts", plan=family.plan(table, features))
    store = CheckpointStore(
        checkpoints, lambda text: inputs.emit("warning", message=text), sha256(inputs.folder.spec_file)
    )
    training = TrainingSpec(
        epochs=what.epochs,
        learning_rate=what.learning_rate,
        batch_size=what.batch_size,
        **spec.training.model_dump(include={"seed", "precision", "distributed", "gradient_checkpointing"}),
    )
    job = Job(
        training=training,
        family=family,
        model=model,
        train=MaskedFeatures(features, mask, what.mask, spec.training.seed),
        locations=lambda indices: [locations[row] for row in features.row[indices]],
        validate=None,
        metric="loss",
        higher_is_better=False,
        checkpoints=store,
        emit=inputs.emit,
        stop=stop,
        resume=resume and bool(store.steps()),
    )
    fine_tune(job)
    weights = full_state(model) if is_sharded(model) else None
    if processes.is_first():
        _keep(model, weights, base, inputs.folder.pretrained)
        shutil.rmtree(checkpoints, ignore_errors=True)
    processes.wait()


def _keep(
    model: torch.nn.Module, weights: Mapping[str, torch.Tensor] | None, base: BaseModel, folder: Path
) -> None:
    """Write the base model with the trunk's new weights; a pooler, which was not trained, stays as it was.

    Args:
        weights: of a sharded model, put together.
    """
    trunk = trunk_of(model)
    whole: Any = load_weights(transformers.AutoModel, base, base.config)
    prefix = next(name for name, part in model.named_modules() if part is trunk) + "."
    found = weights or model.state_dict()
    own = {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}
    strange = whole.load_state_dict(own, strict=False).unexpected_keys
    assert not strange, strange
    with publishing(folder) as made:
        whole.save_pretrained(made, safe_serialization=True)
        save_tokenizer(base, made)
        if pooling := trained_pooling(base):
            save_pooling(pooling, base.config.hidden_size, made)
